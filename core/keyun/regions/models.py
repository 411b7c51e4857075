"""The table of administrative divisions."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.db import Model


class Region(Model):
    """One division under one code. ``valid_from`` and ``valid_to`` (exclusive) are empty when unknown.

    ``kind`` is official, zone (a statistical zone outside GB/T 2260), pseudo (a node of the tree only)
    or retired (a code that no longer exists).
    """

    __tablename__ = "core_region"

    code: Mapped[str] = mapped_column(sa.String(6), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(60))
    level: Mapped[str] = mapped_column(sa.String(10))
    parent: Mapped[str | None] = mapped_column(sa.String(6), index=True)
    pinyin: Mapped[str] = mapped_column(sa.String(120), default="")
    kind: Mapped[str] = mapped_column(sa.String(10), default="official")
    valid_from: Mapped[dt.date | None] = mapped_column(sa.Date)
    valid_to: Mapped[dt.date | None] = mapped_column(sa.Date)
    successor: Mapped[str | None] = mapped_column(sa.String(6))
