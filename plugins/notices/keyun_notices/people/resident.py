"""What is known of all people, resident in each process and in step with the event log.

The worker saves one file; a process loads it and keeps a private overlay by reading the events that follow.
A change makes new bitmaps, so that whoever evaluates an audience keeps a whole picture without a lock.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from pyroaring import BitMap

from keyun.db import Session, is_sqlite
from keyun.events import Cursor, Event, after, head
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.audience.attributes import Attribute, definition
from keyun_notices.audience.evaluate import People, evaluate
from keyun_notices.audience.expression import Expression
from keyun_notices.audience.facts import Facts, meets
from keyun_notices.people import build, store
from keyun_notices.people.declared import declared

log = logging.getLogger(__name__)
NAME = "notices.people"
#: Above so many unread changes reading everything anew is quicker than following.
MOST_UNREAD = 20_000
#: Events of transactions that a snapshot did not see yet (PostgreSQL).
NEW = (
    "NOT pg_visible_in_snapshot("
    "CAST(CAST(core_event.transaction AS text) AS xid8), CAST(:snapshot AS pg_snapshot))"
)
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _State:
    """People at a place in the log.

    ``cursor`` is where the log was settled; ``snapshot`` says which transactions behind it are contained
    already (PostgreSQL). ``origin`` names the reading of the database that they descend from.
    """

    people: People
    cursor: Cursor
    snapshot: str
    origin: str


class Live:
    """The people of one site in one process."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.attributes = declared(site)
        self.definition = definition(self.attributes)
        self.folder = site.runtime.instance / "notices" / "people"
        #: The kinds of subjects whose events change what is known of somebody.
        self.kinds = frozenset({"user"}.union(*(a.through for a in self.attributes.values())))
        self._lock = threading.Lock()
        self._name: str | None = None
        self._state: _State | None = None

    def people(self, unit: UnitOfWork) -> People:
        """Everybody, in step with every change that ``unit`` can see, its own uncommitted ones included."""
        if not unit.writes:
            return self._shared(unit).people
        # What this process shares must be committed: it is read by another unit, the rest on top of it.
        with self.site.reading() as other:
            shared = self._shared(other)
        return self._ahead(unit.session, shared).people

    def matching(self, unit: UnitOfWork, expression: Expression) -> BitMap:
        """The ids of all people who meet ``expression`` now.

        :raises Invalid: when it names a region code that is in no table.
        """
        return evaluate(expression, self.people(unit), self.site.regions, unit.today)

    def facts(self, unit: UnitOfWork, user_id: int) -> Facts:
        """What SQL knows of one person."""
        return build.facts(unit.session, self.attributes, user_id)

    def meets(self, unit: UnitOfWork, expression: Expression, user_id: int) -> bool:
        """Whether one person is in the audience now, as SQL has it.

        :raises Invalid: when the expression names a region code that is in no table.
        """
        return meets(expression, self.facts(unit, user_id), self.site.regions, unit.today)

    def rebuild(self, progress: Progress = lambda text: None) -> int:
        """Read everything anew, save it, and switch over; returns the number of people."""
        with self.site.reading() as unit, self._lock:
            self._state = self._built(unit.session, progress)
            self._save(unit.session, self._state)
            return len(self._state.people.universe)

    def save(self) -> None:
        """Bring what this process has followed into the file, for those that start later."""
        with self.site.reading() as unit:
            self._shared(unit)
            with self._lock:
                if self._state is not None:
                    self._save(unit.session, self._state)

    def saved(self, session: Session) -> store.Note | None:
        """What the current file says of itself; None when there is none that can be used here."""
        name = store.current(self.folder)
        try:
            note = store.note(self.folder, name) if name else None
        except store.FileMissing as e:
            log.warning("%s", e)
            return None
        fits = note is not None and note.definition == self.definition
        return note if fits and note is not None and note.mark == _mark(session, note.cursor) else None

    # In step -----------------------------------------------------------------------------------------

    def _shared(self, unit: UnitOfWork) -> _State:
        """What this process shares, brought up to date with everything that ``unit`` can see."""
        with self._lock:
            state = self._opened(unit.session)
            self._state = self._ahead(unit.session, state)
            return self._state

    def _ahead(self, session: Session, state: _State) -> _State:
        """``state`` with the changes that ``session`` sees beyond it."""
        # What is settled and visible now is among the rows that are read afterwards.
        end, snapshot = head(session), _snapshot(session)
        rows = self._unread(session, state)
        if len(rows) > MOST_UNREAD:
            return self._built(session)
        people = self._changed(session, state.people, rows) if rows else state.people
        return _State(people, max(state.cursor, end), snapshot, state.origin)

    def _unread(self, session: Session, state: _State) -> Sequence[sa.Row[str, int]]:
        query = sa.select(Event.subject_type, Event.subject_id).where(
            after(session, state.cursor), Event.subject_type.in_(self.kinds)
        )
        if state.snapshot:
            query = query.where(sa.text(NEW).bindparams(snapshot=state.snapshot))
        return session.execute(query.limit(MOST_UNREAD + 1)).all()

    def _changed(self, session: Session, people: People, rows: Sequence[sa.Row[str, int]]) -> People:
        subjects: dict[str, set[int]] = {}
        for row in rows:
            subjects.setdefault(row.subject_type, set()).add(row.subject_id)
        users: set[int] = set()
        for kind, ids in subjects.items():
            users |= build.users_of(session, self.attributes.values(), kind, ids)
        if len(users) > MOST_UNREAD:
            return build.build(session, self.attributes)
        return build.changed(people, session, self.attributes, users)

    def _opened(self, session: Session) -> _State:
        """The state of this process; that of the file when there is a newer one; else read from SQL."""
        name = store.current(self.folder)
        if self._state is not None and (name == self._name or name is None):
            return self._state
        mine, self._name = self._state, name
        note = self.saved(session)
        if note is not None and name is not None:
            if mine is not None and note.origin == mine.origin and note.cursor <= mine.cursor:
                return mine
            try:
                people, note = store.read(self.folder, name)
                return _State(people, note.cursor, "", note.origin)
            except store.FileMissing as e:
                log.warning("%s", e)
        return mine or self._built(session)

    def _built(self, session: Session, progress: Progress = lambda text: None) -> _State:
        start, snapshot = head(session), _snapshot(session)
        people = build.build(session, self.attributes, progress)
        return _State(people, start, snapshot, uuid.uuid4().hex[:12])

    def _save(self, session: Session, state: _State) -> None:
        note = store.Note(self.definition, state.origin, state.cursor, _mark(session, state.cursor))
        self._name = store.write(self.folder, state.people, note)


def _snapshot(session: Session) -> str:
    """Which transactions ``session`` sees now; SQLite's log is always settled and needs none."""
    return "" if is_sqlite(session) else str(session.scalar(sa.text("SELECT pg_current_snapshot()::text")))


def _mark(session: Session, cursor: Cursor) -> str:
    """The moment of the event at ``cursor``, which tells this log from that of another database."""
    at = session.scalar(
        sa.select(Event.at).where(Event.id == cursor.event_id, Event.transaction == cursor.transaction)
    )
    return at.isoformat() if at else ""


def resident(site: Site) -> Live:
    """The people of this process."""
    found = site.runtime.derived(NAME, lambda: Live(site))
    if found.site is not site:
        # Another set of plugins on the same runtime: other attributes.
        site.runtime.forget(NAME)
        found = site.runtime.derived(NAME, lambda: Live(site))
    return found


def attributes(site: Site) -> dict[str, Attribute]:
    """Every attribute that people can be chosen by here."""
    return resident(site).attributes


def facts(unit: UnitOfWork, user_id: int) -> Facts:
    """What SQL knows of one person."""
    return resident(unit.site).facts(unit, user_id)
