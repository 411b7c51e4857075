"""Keep the index in step with the content.

The index and its cursor are two stores without a common transaction. Three rules keep them true:
the cursor moves after the index has committed, so a process killed in between reads some events
again, which changes nothing; both move only below the one right to write, so no writer moves the
cursor past what another one has put in; and a new index answers only after it has caught up.
The database is never locked while the index is written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import selectin_polymorphic

from keyun.content.models import Content
from keyun.content.services import published
from keyun.events.follow import Cursor, durable_cursor, head, move_cursor, read
from keyun.events.models import Committed
from keyun.search.port import Document, IndexBusy, IndexGone, NewIndex, SearchBackend
from keyun.search.verification import CONSUMER, compare
from keyun.uow import UnitOfWork

if TYPE_CHECKING:
    from keyun.site import Site

log = logging.getLogger(__name__)
CHUNK = 1000


def follow(site: Site, engine: SearchBackend) -> None:
    """Apply every settled event that concerns a searchable item; an index that is gone is built anew.

    :raises IndexBusy: when another process keeps the right to write; the job is tried again.
    """
    try:
        if not engine.usable():
            raise IndexGone("it is missing or damaged")
        _settle(site, engine)
        while _step(site, engine):
            pass
    except IndexGone as e:
        log.warning("the search index is built anew: %s", e)
        try:
            build(site, engine)
        except IndexBusy as busy:
            log.info("%s", busy)


def build(site: Site, engine: SearchBackend) -> int:
    """Build an index beside the one that answers, let it catch up, and switch; returns the items read.

    :raises IndexBusy: when another process is building it.
    """
    with engine.building() as new:
        with site.reading() as unit:
            place = head(unit.session)
            size = new.update(_all(site, unit))
        with engine.writing():
            place = _catch_up(site, new, place)
            new.activate()
            _remember(site, place)
    _settled(site)[:] = [(tuple(site.sources), engine)]
    return size


def _catch_up(site: Site, new: NewIndex, place: Cursor) -> Cursor:
    """Apply what was committed since ``place``; returns the place where the log ends."""
    while True:
        with site.reading() as unit:
            events, place = read(unit.session, place, CHUNK)
            documents, gone = _changes(site, unit, events)
        if not events:
            return place
        if documents or gone:
            new.update(documents, gone)


def _step(site: Site, engine: SearchBackend) -> bool:
    """Apply the next chunk of events; whether there was one."""
    with engine.writing():
        with site.reading() as unit:
            events, place = read(unit.session, durable_cursor(unit.session, CONSUMER), CHUNK)
            documents, gone = _changes(site, unit, events)
        if documents or gone:
            engine.update(documents, gone)
        if events:
            _remember(site, place)
    return bool(events)


def _remember(site: Site, place: Cursor) -> None:
    with site.writing() as unit:
        move_cursor(unit.session, CONSUMER, place)


def _settle(site: Site, engine: SearchBackend) -> None:
    """Repair, once for each set of types and each engine, what no event tells of.

    A process without a plugin passes over the events of its items, and a database may come from a backup.
    """
    settled, now = _settled(site), (tuple(site.sources), engine)
    if settled == [now]:
        return
    with engine.writing():
        found = compare(site, engine)
        wrong = sorted({*found.missing, *found.stale, *found.extra})
        if len(wrong) > CHUNK and 2 * len(wrong) > found.expected:
            raise IndexGone(f"{len(wrong)} of {found.expected} items differ")
        for start in range(0, len(wrong), CHUNK):
            part = wrong[start : start + CHUNK]
            with site.reading() as unit:
                documents = _load(site, unit, Content.id.in_(part))
            engine.update(documents, set(part) - {d.id for d in documents})
    if wrong:
        log.warning("%d items of the search index differed from the content and were repaired", len(wrong))
    settled[:] = [now]


def _settled(site: Site) -> list[tuple[tuple[str, ...], SearchBackend]]:
    return site.runtime.derived("search.settled", list[tuple[tuple[str, ...], SearchBackend]])


def _changes(site: Site, unit: UnitOfWork, events: Sequence[Committed]) -> tuple[list[Document], set[int]]:
    """The current documents of the items that ``events`` speak of, and the ids that are public no more."""
    ids = {e.subject_id for e in events if e.subject_type in site.sources}
    documents = _load(site, unit, Content.id.in_(ids)) if ids else []
    return documents, ids - {d.id for d in documents}


def _all(site: Site, unit: UnitOfWork) -> Iterator[Document]:
    last = 0
    while part := _load(site, unit, Content.id > last):
        yield from part
        last = part[-1].id


def _load(site: Site, unit: UnitOfWork, condition: sa.ColumnElement[bool]) -> list[Document]:
    """The first documents, in order of id, of items that are public and meet ``condition``."""
    models = [site.types[t].model for t in site.sources if t in site.types]
    query = (
        sa.select(Content)
        .where(condition, Content.type.in_(list(site.sources)), published(unit.now))
        .order_by(Content.id)
        .limit(CHUNK)
        .options(selectin_polymorphic(Content, models))
    )
    found = [_document(site, item) for item in unit.session.scalars(query)]
    unit.session.expunge_all()
    return found


def _document(site: Site, item: Content) -> Document:
    body = f"{item.summary}\n{item.body}" if item.summary else item.body
    moment = item.published_at or item.created_at
    return Document(
        item.id, item.type, item.title, body, _extra(site, item), item.region or "", moment, item.version
    )


def _extra(site: Site, item: Any) -> str:
    try:
        words = site.sources[item.type].extra(item)
        if not isinstance(words, str):
            raise TypeError(f"they are {type(words).__name__}, not a text")
        return words
    # One plugin's mistake with one item must not keep everything else out of the index.
    except Exception:
        log.exception("the search words of %s %d cannot be read; it is indexed without", item.type, item.id)
        return ""
