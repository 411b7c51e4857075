"""Answer questions with what the public may see; build the index and compare it with the content."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from keyun.access import Actor
from keyun.content.models import Content
from keyun.content.render import plain
from keyun.content.services import published, whole
from keyun.content.types import MAX_BODY, MAX_SUMMARY
from keyun.errors import KeyunError
from keyun.jobs import Job
from keyun.search import upkeep
from keyun.search.highlight import best_piece, runs
from keyun.search.port import MAX_QUERY, Hit, Page, Query, SearchBackend
from keyun.search.verification import Report, compare
from keyun.uow import UnitOfWork

if TYPE_CHECKING:
    from keyun.site import Site

log = logging.getLogger(__name__)
JOB = "core.search"


@dataclass(frozen=True, slots=True)
class Found:
    """A page of results with the content behind each hit."""

    items: Sequence[tuple[Hit, Content]]
    page: Page


class SearchUnavailable(KeyunError):
    """The engine behind the search cannot be had or has failed; everything else serves."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "搜索暂时不可用，请稍后再试；其他功能不受影响。"
            " (The search is unavailable; try again later. Everything else works.)"
        )


def whoosh(site: Site) -> SearchBackend:
    """The engine of the core: Whoosh in the instance folder."""
    from keyun.search.whoosh import WhooshBackend

    return site.runtime.derived("search.whoosh", lambda: WhooshBackend(site.runtime.instance / "search"))


def backend(site: Site) -> SearchBackend:
    """The engine of this site.

    :raises SearchUnavailable: when the plugin that brings it fails; the log says why.
    """
    try:
        return site.search_backend
    # A stranger's code may fail in any way.
    except Exception as e:
        log.exception("the search engine cannot be opened")
        raise SearchUnavailable from e


def search(actor: Actor, unit: UnitOfWork, query: Query) -> Found:
    """Answer ``query`` with items that are public now; open to everyone who may read them.

    Text that is shown comes from the database, never from the index.
    """
    site = unit.site
    types = tuple(t for t in (query.types or site.sources) if t in site.sources)
    if not types:
        return Found((), Page())
    asked = Query(query.text[:MAX_QUERY], types, query.region, max(query.offset, 0), max(query.limit, 1))
    page = _answer(site, asked)
    # The index may be a moment behind: what is no longer public is left out here, never shown.
    live = sa.and_(Content.id.in_([h.id for h in page.hits]), published(unit.now), whole(unit))
    rows = sa.select(Content).where(live).options(joinedload(Content.organization))
    items = {c.id: c for c in unit.session.scalars(rows)}
    shown = [(_hit(h.score, items[h.id], page.words), items[h.id]) for h in page.hits if h.id in items]
    return Found(shown, page)


def _answer(site: Site, asked: Query) -> Page:
    engine = backend(site)
    try:
        return engine.search(asked)
    except Exception as e:
        log.exception("the search engine %s failed", type(engine).__name__)
        raise SearchUnavailable from e


def _hit(score: float, item: Content, words: Sequence[str]) -> Hit:
    text = plain(f"{item.summary}\n\n{item.body}", MAX_SUMMARY + MAX_BODY)
    return Hit(score, runs(item.title, words), best_piece(text, words))


def follow_job() -> Job:
    """The job that brings commits into the index; only workers write it."""
    return Job(JOB, _follow, every=1.0)


def _follow(site: Site) -> None:
    try:
        engine = backend(site)
    except SearchUnavailable:
        # It is logged; the next run, a second later, asks again.
        return
    upkeep.follow(site, engine)


def rebuild(site: Site) -> int:
    """Build the index anew beside the old one, which answers until then; returns the number of items read.

    :raises IndexBusy: when another process is building it.
    """
    return upkeep.build(site, backend(site))


def verify(site: Site) -> Report:
    """Compare the index with the content, id by id and version by version; exact beside running writers."""
    return compare(site, backend(site))


__all__ = [
    "Found",
    "Report",
    "SearchUnavailable",
    "backend",
    "follow_job",
    "rebuild",
    "search",
    "verify",
    "whoosh",
]
