"""Calls (awards, policies, projects) with who may take part, as data."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.accounts import Organization, User
from keyun.db import Model, public_id


class Call(Model):
    """What people may apply for. ``audience`` is an expression inside ``region``: who is eligible.

    It is open from ``opens_at`` to ``closes_at`` (exclusive; empty is no bound) once it is published.
    ``counted`` is how many people were eligible at that moment, ``told`` the key of the notice that went to
    exactly them.
    """

    __tablename__ = "notices_call"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('award', 'policy', 'project')", name="kind"),
        sa.CheckConstraint("state IN ('draft', 'published', 'withdrawn')", name="state"),
        sa.Index("ix_notices_call_state_created_at_id", "state", "created_at", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    kind: Mapped[str] = mapped_column(sa.String(8))
    title: Mapped[str] = mapped_column(sa.String(120))
    summary: Mapped[str] = mapped_column(sa.Text, default="")
    link: Mapped[str | None] = mapped_column(sa.String(500))
    region: Mapped[str] = mapped_column(sa.String(6), index=True)
    audience: Mapped[dict[str, Any]]
    opens_at: Mapped[dt.datetime | None]
    closes_at: Mapped[dt.datetime | None]
    state: Mapped[str] = mapped_column(sa.String(10), default="draft")
    counted: Mapped[int | None]
    told: Mapped[str | None] = mapped_column(sa.String(160))
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    organization_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey(Organization.id, ondelete="SET NULL"), index=True
    )
    created_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]
    published_at: Mapped[dt.datetime | None]
    version: Mapped[int] = mapped_column(default=1)
