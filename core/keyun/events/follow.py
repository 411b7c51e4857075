"""How derived things learn of commits: a cursor that no commit can slip behind.

SQLite has one writer, so event ids are in the order of commits. PostgreSQL hands ids out before the
commit: there the cursor is (transaction, id) and moves only below the oldest running transaction.
A consumer applies "the current state of X", so reading an event twice is harmless.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from keyun.db import is_sqlite
from keyun.events.models import Committed, CursorRow, Event

MAX_XID = 2**62
#: Beyond this the exact number tells an administrator nothing more.
MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the log: everything at or before it has been applied."""

    transaction: int = 0
    event_id: int = 0


def _oldest_running(session: Session) -> int:
    """Transactions below this number are finished, for good."""
    if is_sqlite(session):
        return MAX_XID
    return int(session.scalar(sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")) or 0)


def head(session: Session) -> Cursor:
    """The place up to which the log can no longer change."""
    order = (Event.id.desc(),) if is_sqlite(session) else (Event.transaction.desc(), Event.id.desc())
    below = _oldest_running(session)
    query = sa.select(Event.transaction, Event.id).where(Event.transaction < below)
    row = session.execute(query.order_by(*order).limit(1)).first()
    return Cursor(*row) if row else Cursor()


def read(session: Session, cursor: Cursor, limit: int = 1000) -> tuple[list[Committed], Cursor]:
    """Return up to ``limit`` events after ``cursor`` that are settled, and the new cursor."""
    below = _oldest_running(session)
    rows = session.execute(_following(session, cursor).where(Event.transaction < below).limit(limit)).all()
    end = Cursor(rows[-1].transaction, rows[-1].id) if rows else cursor
    return [_committed(r) for r in rows], end


def peek(session: Session, cursor: Cursor, limit: int = 1000) -> tuple[list[Committed], Cursor]:
    """Like :func:`read`, but the events include committed ones that are not settled yet.

    The cursor returned still stops at the settled ones, so that the others are seen again. For
    private overlays that must show a commit at once.
    """
    below = _oldest_running(session)
    rows = session.execute(_following(session, cursor).limit(limit)).all()
    settled = [r for r in rows if r.transaction < below]
    end = Cursor(settled[-1].transaction, settled[-1].id) if settled else cursor
    return [_committed(r) for r in rows], end


def after(session: Session, cursor: Cursor) -> sa.ColumnElement[bool]:
    """The condition for events that follow ``cursor``, in a form that the database answers by its index."""
    if is_sqlite(session):
        return Event.id > cursor.event_id
    place = sa.tuple_(Event.transaction, Event.id)
    return place > sa.tuple_(sa.literal(cursor.transaction), sa.literal(cursor.event_id))


@dataclass(frozen=True, slots=True)
class Lag:
    """How many events lie after a cursor, and the moment of the first of them."""

    events: int = 0
    since: dt.datetime | None = None


def lag_behind(session: Session, cursor: Cursor, *only: sa.ColumnElement[bool]) -> Lag:
    """The events after ``cursor`` that meet ``only``, counted up to :data:`MOST_COUNTED`."""
    unread = sa.select(Event.id, Event.at).where(after(session, cursor), *only).limit(MOST_COUNTED).subquery()
    events, since = session.execute(sa.select(sa.func.count(), sa.func.min(unread.c.at))).one()
    return Lag(events, since)


def _following(session: Session, cursor: Cursor) -> sa.Select[Any]:
    """Rows of columns: many pages ask, and none changes an event."""
    order = (Event.id,) if is_sqlite(session) else (Event.transaction, Event.id)
    return sa.select(*Event.__table__.columns).where(after(session, cursor)).order_by(*order)


def _committed(row: sa.Row[Any]) -> Committed:
    return Committed(
        row.id, row.name, row.at, row.subject_type, row.subject_id, row.actor_id, dict(row.data or {})
    )


def durable_cursor(session: Session, consumer: str) -> Cursor:
    """The stored place of ``consumer``; the beginning when it has never read."""
    row = session.get(CursorRow, consumer)
    return Cursor(row.transaction, row.event_id) if row else Cursor()


def move_cursor(session: Session, consumer: str, cursor: Cursor) -> None:
    """Store the place of ``consumer`` in the caller's transaction."""
    row = session.get(CursorRow, consumer)
    if row is None:
        session.add(CursorRow(consumer=consumer, transaction=cursor.transaction, event_id=cursor.event_id))
    else:
        row.transaction, row.event_id = cursor.transaction, cursor.event_id


@dataclass(frozen=True, slots=True)
class Follower:
    """A durable consumer: ``apply`` gets the settled events in chunks and must be repeatable."""

    consumer: str
    apply: Callable[[Session, list[Committed]], None]

    def step(self, session: Session, limit: int = 1000) -> int:
        """Apply the next chunk and store the place; returns how many events it held."""
        events, cursor = read(session, durable_cursor(session, self.consumer), limit)
        if events:
            self.apply(session, events)
            move_cursor(session, self.consumer, cursor)
        return len(events)

    def lag(self, session: Session) -> int:
        """How many events are still to be read."""
        unread = after(session, durable_cursor(session, self.consumer))
        return int(session.scalar(sa.select(sa.func.count()).select_from(Event).where(unread)) or 0)
