"""What people say of themselves so that notices reach the right ones: birth year, title, interests."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.accounts import User
from keyun.db import Model


class Profile(Model):
    """What one person says of himself; every part may stay empty.

    ``title`` is the rank of a professional title: 1 技术员级, 2 助理级, 3 中级, 4 副高级, 5 正高级.
    """

    __tablename__ = "notices_profile"

    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    birth_year: Mapped[int | None] = mapped_column(sa.SmallInteger, info={"personal": "birth year"})
    title: Mapped[int | None] = mapped_column(sa.SmallInteger, info={"personal": "profession"})
    changed_at: Mapped[dt.datetime]


class Interest(Model):
    """A topic one person wants to hear about."""

    __tablename__ = "notices_interest"
    __table_args__ = (sa.Index("ix_notices_interest_topic", "topic"),)

    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    topic: Mapped[str] = mapped_column(sa.String(40), primary_key=True, info={"personal": "interest"})
