"""The unit of work: one transaction, its events and jobs, and what follows the commit.

*When to use it*: the outermost entry point (a view, a command, a job) opens one and hands it to
services. *When not*: a service never opens its own, so that several services commit together.
Reading uses the same object with ``write=False``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keyun.access import Actor
from keyun.bulk import insert_many
from keyun.db import WRITE, is_sqlite
from keyun.errors import DatabaseError
from keyun.events.models import Committed, Event
from keyun.jobs import enqueue

if TYPE_CHECKING:
    from keyun.site import Site

__all__ = ["UnitOfWork", "open_unit"]


class UnitOfWork:
    """What a service works with: the session, the moment, the site, and the log."""

    def __init__(self, site: Site, session: Session, *, writes: bool = False) -> None:
        self.site = site
        self.session = session
        #: Whether it commits at its end, so that what it sees may include what is not committed yet.
        self.writes = writes
        #: The one moment of this transaction.
        self.now: dt.datetime = site.runtime.clock()
        self._events: list[Event] = []
        self._after: list[Callable[[], None]] = []

    @property
    def today(self) -> dt.date:
        """The local day of the association."""
        return self.now.astimezone(self.site.timezone).date()

    def require(self, actor: Actor, permission: str, subject: Any = None) -> None:
        """Stop unless ``actor`` may; the first line of every service."""
        self.site.access.require(actor, permission, subject)

    def record(self, name: str, subject_type: str, subject_id: int, actor: Actor, **data: Any) -> Event:
        """Write one event into the log; hooks hear of it after the commit."""
        event = Event(
            at=self.now,
            name=name,
            subject_type=subject_type,
            subject_id=subject_id,
            actor_id=actor.user_id,
            data=data,
            transaction=self._transaction(),
        )
        self.session.add(event)
        self._events.append(event)
        return event

    def record_many(self, actor: Actor, events: Sequence[tuple[str, str, int, dict[str, Any]]]) -> None:
        """Write many events (name, subject type, subject id, data) with one statement.

        Followers see them like any other; the hook after the commit does not hear of them on purpose:
        it is for single changes, and an import has hundreds of thousands.
        """
        if not events:
            return
        here = 0 if is_sqlite(self.session) else self.session.scalar(sa.select(self._transaction()))
        rows = [
            {
                "transaction": here,
                "at": self.now,
                "name": name,
                "subject_type": kind,
                "subject_id": subject,
                "actor_id": actor.user_id,
                "data": data,
            }
            for name, kind, subject, data in events
        ]
        insert_many(self.session, Event, rows)

    def _transaction(self) -> Any:
        if is_sqlite(self.session):
            return 0
        return sa.cast(sa.cast(sa.func.pg_current_xact_id(), sa.String), sa.BigInteger)

    def enqueue(self, job: str, key: str | None = None, **payload: Any) -> str:
        """Put a job row into this transaction; with ``key``, one row while it is queued."""
        return enqueue(self.session, job, payload, now=self.now, key=key)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run ``call`` once the transaction is safe."""
        self._after.append(call)

    def committed(self) -> None:
        """Tell plugins and callbacks; called once, after the commit."""
        for event in self._events:
            self.site.plugins.committed(
                Committed(
                    event.id,
                    event.name,
                    event.at,
                    event.subject_type,
                    event.subject_id,
                    event.actor_id,
                    dict(event.data),
                )
            )
        for call in self._after:
            call()


@contextlib.contextmanager
def open_unit(site: Site, *, write: bool) -> Iterator[UnitOfWork]:
    """Open a unit of work; a writing one commits at the end and rolls back on any error.

    :raises DatabaseError: when the database stays locked or cannot be reached.
    """
    try:
        with site.runtime.sessions() as session:
            session.info["content_types"] = site.type_names
            if write:
                session.connection(execution_options={WRITE: True})
            unit = UnitOfWork(site, session, writes=write)
            yield unit
            if not write:
                return
            session.commit()
    except OperationalError as e:
        raise DatabaseError(_why(e)) from e
    unit.committed()


def _why(error: OperationalError) -> str:
    text = str(error.orig)
    if "locked" in text:
        return (
            "数据库正忙，请稍后再试，内容没有丢失。 (The database is locked; nothing was written, try again.)"
        )
    if "no such table" in text or "does not exist" in text:
        return f"the database is not set up: {text}; run `keyun init` or `keyun db upgrade`"
    return f"the database cannot be used: {text}; check it with `keyun doctor`"
