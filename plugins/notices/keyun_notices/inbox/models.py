"""What a person did with a notice; there is no row for what he did not do."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.accounts import User
from keyun.db import Model
from keyun_notices.publishing.models import Notice


class Receipt(Model):
    """Each moment is written once: shown in a list, opened, and acted on."""

    __tablename__ = "notices_receipt"

    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    notice_id: Mapped[int] = mapped_column(
        sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True, index=True
    )
    shown_at: Mapped[dt.datetime | None]
    opened_at: Mapped[dt.datetime | None]
    acted_at: Mapped[dt.datetime | None]
