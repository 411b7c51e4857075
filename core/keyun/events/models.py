"""The event log and the cursors of its followers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.db import Model


class Event(Model):
    """One thing that happened. Rows are only ever added.

    ``subject`` is ``<kind>:<integer id>``. ``transaction`` is the PostgreSQL transaction that wrote
    the row: ids there are handed out before the commit, so order by id alone would lose rows.
    """

    __tablename__ = "core_event"
    __table_args__ = (
        sa.Index("ix_core_event_transaction_id", "transaction", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)
    transaction: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    at: Mapped[dt.datetime]
    name: Mapped[str] = mapped_column(sa.String(60))
    subject_type: Mapped[str] = mapped_column(sa.String(60))
    subject_id: Mapped[int] = mapped_column(index=True)
    actor_id: Mapped[int | None]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class CursorRow(Model):
    """How far one durable consumer has read."""

    __tablename__ = "core_cursor"

    consumer: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    transaction: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    event_id: Mapped[int] = mapped_column(sa.BigInteger, default=0)


@dataclass(frozen=True, slots=True)
class Committed:
    """An event after its commit, as hooks and followers see it."""

    id: int
    name: str
    at: dt.datetime
    subject_type: str
    subject_id: int
    actor_id: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
