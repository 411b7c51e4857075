"""The table of populations: how many people live in a region, as of a day, according to whom."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.db import Model


class Population(Model):
    """Residents of a region on a day."""

    __tablename__ = "notices_population"

    region: Mapped[str] = mapped_column(sa.String(6), primary_key=True)
    on: Mapped[dt.date] = mapped_column(sa.Date, primary_key=True)
    people: Mapped[int] = mapped_column(sa.BigInteger)
    source: Mapped[str] = mapped_column(sa.String(200))
