"""The tables: words, counters, people by month, how far each file was folded, who was forgotten."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.db import Model


class Word(Model):
    """A channel, a content type or the id of a rule; counters carry its number."""

    __tablename__ = "usage_word"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(60), unique=True)


class Counter(Model):
    """Person-times of one local day (20261124), place, channel, type, rule and verdict.

    ``verdict`` 0 counts; another one is the number of the rule's reason to exclude it. Numbers instead of
    words and dates, because a province has a million such rows a year.
    """

    __tablename__ = "usage_counter"
    __table_args__ = ({"sqlite_with_rowid": False},)

    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    region: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    subject: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    rule: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    verdict: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    users: Mapped[int]
    visitors: Mapped[int]


class People(Model):
    """The accounts that came in one month (202611) from one place: a serialized roaring bitmap of their ids.

    ``removed`` says how many were taken out because they asked to be forgotten.
    """

    __tablename__ = "usage_people"
    __table_args__ = ({"sqlite_with_rowid": False},)

    month: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    region: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rule: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    version: Mapped[int]
    removed: Mapped[int]
    bits: Mapped[bytes] = mapped_column(sa.LargeBinary, info={"personal": "reading", "hook": True})


class Part(Model):
    """How far a file was folded; the counters of that moment were written in the same transaction."""

    __tablename__ = "usage_part"

    name: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    #: open (more may come), folded (all of it), archived (kept as raw files by day), imported.
    state: Mapped[str] = mapped_column(sa.String(10))
    offset: Mapped[int] = mapped_column(sa.BigInteger)
    records: Mapped[int] = mapped_column(sa.BigInteger)
    lost: Mapped[int] = mapped_column(sa.BigInteger)
    killed: Mapped[bool]
    first_day: Mapped[int | None]
    last_day: Mapped[int | None]
    folded_at: Mapped[dt.datetime] = mapped_column(index=True)


class Day(Model):
    """The rule that a day is counted by; late records of that day follow it."""

    __tablename__ = "usage_day"

    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rule: Mapped[str] = mapped_column(sa.String(60))


class Forgotten(Model):
    """The number of an account that is gone: records that still carry it count as nobody's."""

    __tablename__ = "usage_forgotten"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[dt.datetime]


class Progress(Model):
    """One row: up to which moment everything that was handed to a file is in the figures."""

    __tablename__ = "usage_progress"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[dt.datetime]
