"""Resources for emergencies."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.content import Content

RESOURCE = "emergency.resource"


class Resource(Content):
    """应急科普资源: what to do, by hazard."""

    __tablename__ = "emergency_resource"
    __mapper_args__ = {"polymorphic_identity": RESOURCE}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    hazard: Mapped[str] = mapped_column(sa.String(20), index=True)
    phase: Mapped[str] = mapped_column(sa.String(10), default="during")
