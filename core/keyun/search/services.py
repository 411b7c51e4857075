"""Keep the index in step with the content, and answer questions with what the actor may see."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from keyun.access import Actor
from keyun.content.models import Content
from keyun.content.render import plain
from keyun.content.services import published
from keyun.events.follow import Follower, head, move_cursor
from keyun.events.models import Committed
from keyun.jobs import Job
from keyun.search.analysis import analyzer
from keyun.search.highlight import best_piece, runs
from keyun.search.port import Document, Hit, IndexGone, Page, Query, SearchBackend
from keyun.uow import UnitOfWork

if TYPE_CHECKING:
    from keyun.site import Site

log = logging.getLogger(__name__)
CONSUMER = "search"
JOB = "core.search"
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """A page of results with the content behind each hit."""

    items: Sequence[tuple[Hit, Content]]
    page: Page


@dataclass(frozen=True, slots=True)
class Report:
    """How the index compares with the content: ids missing, outdated, or no longer public; and events unread."""

    expected: int
    missing: Sequence[int]
    stale: Sequence[int]
    extra: Sequence[int]
    lag: int

    @property
    def healthy(self) -> bool:
        """Whether a search finds exactly what is public."""
        return not (self.missing or self.stale or self.extra)


def backend(site: Site) -> SearchBackend:
    """The engine of this process: Whoosh in the instance folder."""
    from keyun.search.whoosh import WhooshBackend

    return site.runtime.derived("search", lambda: WhooshBackend(site.runtime.instance / "search"))


def search(actor: Actor, unit: UnitOfWork, query: Query) -> Found:
    """Answer ``query`` with items that are public now; open to everyone who may read them."""
    site = unit.site
    types = tuple(t for t in (query.types or site.sources) if t in site.sources)
    asked = Query(query.text, types, query.region, query.offset, query.limit)
    page = backend(site).search(asked) if types else Page((), 0)
    wanted = [h.id for h in page.hits]
    live = sa.and_(Content.id.in_(wanted), published(unit.now))
    items = {c.id: c for c in unit.session.scalars(sa.select(Content).where(live))}
    # The index may be a moment behind: what is no longer public is left out here, never shown.
    words = frozenset(analyzer().words(query.text))
    return Found([(_hit(h.score, items[h.id], words), items[h.id]) for h in page.hits if h.id in items], page)


def _hit(score: float, item: Content, words: frozenset[str]) -> Hit:
    text = plain(f"{item.summary}\n\n{item.body}", 5000)
    return Hit(score, runs(item.title, words), best_piece(text, words))


def follow_job() -> Job:
    """The job that brings commits into the index; only workers write it."""
    return Job(JOB, follow, every=1.0)


def follow(site: Site) -> None:
    """Apply every settled event that concerns a searchable item."""
    follower = Follower(CONSUMER, lambda session, events: _apply(site, session, events))
    while True:
        with site.reading() as unit:
            if not follower.lag(unit.session):
                return
        try:
            with site.writing() as unit:
                read = follower.step(unit.session, CHUNK)
        except IndexGone as e:
            log.warning("the search index is built anew: %s", e)
            build(site)
            return
        # What is not settled yet is read at the next turn.
        if not read:
            return


def lag(site: Site, session: Session) -> int:
    """How many events the index has not seen."""
    return Follower(CONSUMER, lambda _session, _events: None).lag(session)


def rebuild(site: Site) -> int:
    """Build the index anew beside the old one and catch up; returns the number of items in it."""
    size = build(site)
    follow(site)
    return size


def build(site: Site) -> int:
    """Build the index anew beside the old one, as of the place in the log where reading began."""
    with site.reading() as unit:
        start = head(unit.session)
        size = backend(site).rebuild(_documents(site, unit))
    with site.writing() as unit:
        move_cursor(unit.session, CONSUMER, start)
    return size


def verify(site: Site) -> Report:
    """Compare the index with the content, id by id and version by version."""
    have: Mapping[int, int] = backend(site).versions()
    with site.reading() as unit:
        rows = unit.session.execute(
            sa.select(Content.id, Content.version).where(
                published(unit.now), Content.type.in_(list(site.sources))
            )
        )
        want = {row.id: row.version for row in rows}
        unread = lag(site, unit.session)
    return Report(
        expected=len(want),
        missing=sorted(want.keys() - have.keys()),
        stale=sorted(i for i, v in want.items() if i in have and have[i] != v),
        extra=sorted(have.keys() - want.keys()),
        lag=unread,
    )


def _apply(site: Site, session: Session, events: Sequence[Committed]) -> None:
    ids = {e.subject_id for e in events if e.subject_type in site.sources}
    if not ids:
        return
    documents = load(site, session, sorted(ids))
    backend(site).update(documents, ids - {d.id for d in documents})


def load(site: Site, session: Session, ids: Sequence[int]) -> list[Document]:
    """The documents of those of ``ids`` that are public now."""
    now = site.runtime.clock()
    session.info["content_types"] = site.type_names
    found: list[Document] = []
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        query = sa.select(Content).where(
            Content.id.in_(part), Content.type.in_(list(site.sources)), published(now)
        )
        found += [_document(site, c) for c in session.scalars(query)]
        session.expunge_all()
    return found


def _documents(site: Site, unit: UnitOfWork) -> Iterator[Document]:
    last = 0
    while True:
        query = (
            sa.select(Content.id)
            .where(Content.id > last, Content.type.in_(list(site.sources)), published(unit.now))
            .order_by(Content.id)
            .limit(CHUNK)
        )
        ids = list(unit.session.scalars(query))
        if not ids:
            return
        yield from load(site, unit.session, ids)
        last = ids[-1]


def _document(site: Site, item: Content) -> Document:
    assert item.published_at is not None  # the query asked for published items
    extra = site.sources[item.type].extra(item)
    body = f"{item.summary}\n{item.body}" if item.summary else item.body
    return Document(
        item.id, item.type, item.title, body, extra, item.region or "", item.published_at, item.version
    )


__all__ = ["Found", "Report", "backend", "follow_job", "lag", "rebuild", "search", "verify"]
