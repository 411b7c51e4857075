"""Compare the index with the content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from keyun.content.models import Content
from keyun.events.follow import Cursor, after, durable_cursor
from keyun.events.models import Event
from keyun.search.port import IndexGone, SearchBackend
from keyun.uow import UnitOfWork

if TYPE_CHECKING:
    from keyun.site import Site

#: The name under which the index remembers how far it has read the log.
CONSUMER = "search"


@dataclass(frozen=True, slots=True)
class Report:
    """How the index compares with the content.

    ``expected`` items are public. Ids are ``missing``, ``stale`` (an older text) or ``extra`` (no longer
    public) although every event about them has been read: only a rebuild helps. Those in ``behind``
    differ because an event about them is among the ``lag`` unread ones: a worker helps.
    """

    expected: int
    missing: Sequence[int]
    stale: Sequence[int]
    extra: Sequence[int]
    behind: Sequence[int]
    lag: int

    @property
    def damaged(self) -> bool:
        """Whether reading the remaining events would leave something wrong."""
        return bool(self.missing or self.stale or self.extra)

    @property
    def healthy(self) -> bool:
        """Whether a search finds exactly what is public."""
        return not (self.damaged or self.behind)


def compare(site: Site, engine: SearchBackend) -> Report:
    """Compare the index with the content, id by id and version by version; exact beside running writers."""
    with site.reading() as unit:
        place = durable_cursor(unit.session, CONSUMER)
    have = _versions(engine)
    with site.reading() as unit:
        want, tolerated = _content(site, unit)
        unread, lag = _unread(site, unit.session, place)
    missing = want.keys() - have.keys()
    stale = {i for i, version in want.items() if have.get(i, version) != version}
    extra = have.keys() - want.keys() - tolerated
    return Report(
        len(want),
        sorted(missing - unread),
        sorted(stale - unread),
        sorted(extra - unread),
        sorted((missing | stale | extra) & unread),
        lag,
    )


def _versions(engine: SearchBackend) -> Mapping[int, int]:
    try:
        return engine.versions() if engine.usable() else {}
    except IndexGone:
        return {}


def _content(site: Site, unit: UnitOfWork) -> tuple[dict[int, int], set[int]]:
    """The version of each public item, and the ids that may stand in the index without being public.

    These are the items whose plugin is off, which no search shows and which come back with it, and
    items that ran out a moment ago and wait for the job that says so.
    """
    rows = unit.session.execute(
        # The table and not the class: rows of plugins that are off belong to the answer.
        sa.select(*(Content.__table__.c[n] for n in ("id", "type", "version", "expires_at"))).where(
            sa.or_(Content.__table__.c.state == "published", Content.__table__.c.type.not_in(site.types))
        )
    )
    want: dict[int, int] = {}
    tolerated: set[int] = set()
    for row in rows:
        if row.type not in site.sources:
            tolerated |= set() if row.type in site.types else {row.id}
        elif row.expires_at is None or row.expires_at > unit.now:
            want[row.id] = row.version
        else:
            tolerated.add(row.id)
    return want, tolerated


def _unread(site: Site, session: Session, place: Cursor) -> tuple[set[int], int]:
    """The ids of searchable items in events after ``place``, and the number of those events."""
    unread = after(session, place)
    searchable = Event.subject_type.in_(list(site.sources))
    ids = session.scalars(sa.select(Event.subject_id).where(unread, searchable))
    count = session.scalar(sa.select(sa.func.count()).select_from(Event).where(unread))
    return set(ids), int(count or 0)
