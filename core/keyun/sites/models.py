"""The table of sub-sites."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.db import Model


class SubSite(Model):
    """One site below ``/s/<slug>/``: name, region, banner, menu and home text; ``host`` is its own domain."""

    __tablename__ = "core_subsite"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(40), unique=True)
    name: Mapped[str] = mapped_column(sa.String(60))
    name_en: Mapped[str] = mapped_column(sa.String(60), default="")
    region: Mapped[str] = mapped_column(sa.String(6))
    banner: Mapped[str] = mapped_column(sa.String(120), default="")
    banner_en: Mapped[str] = mapped_column(sa.String(120), default="")
    colour: Mapped[str] = mapped_column(sa.String(12), default="")
    menu: Mapped[list[str]] = mapped_column(default=list)
    home: Mapped[str] = mapped_column(sa.Text, default="")
    host: Mapped[str | None] = mapped_column(sa.String(253), unique=True)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]

    @property
    def owner_id(self) -> None:
        """Nobody owns a sub-site; its region says who may change it."""
        return None

    @property
    def organization_id(self) -> None:
        """No organization owns it either."""
        return None
