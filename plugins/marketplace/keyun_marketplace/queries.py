"""Lists of what is public: filtered by field, region and words, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from keyun.access import Actor
from keyun.content import Content, conditions, published
from keyun.regions import subtree
from keyun.search import Query, search
from keyun.uow import UnitOfWork
from keyun_marketplace.models import Need, Offer

PAGE_SIZE = 20
MAX_PAGE = 500
#: With words and a field, so many of the best hits are looked at.
MOST_NARROWED = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """What a visitor narrows a list down to."""

    q: str = ""
    region: str | None = None
    discipline: str | None = None
    #: Values of fields that plugins add, by key.
    added: Mapping[str, Any] = field(default_factory=dict)
    page: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list, and whether another one follows."""

    items: Sequence[Offer | Need]
    page: int
    has_next: bool


def listing(actor: Actor, unit: UnitOfWork, model: type[Offer] | type[Need], wanted: Filter) -> Listing:
    """The page ``wanted`` of the public offers or needs; open to everyone, so there is nothing to check."""
    page = min(max(wanted.page, 1), MAX_PAGE)
    offset = (page - 1) * PAGE_SIZE
    kind = unit.site.content_type(str(model.__mapper__.polymorphic_identity))
    # The type is named, and the order is that of one table, so that an index leads through the list.
    public = (Content.type == kind.name, published(unit.now), *conditions(kind, wanted.added))
    query: Any = sa.select(model).where(*public).options(joinedload(model.organization))
    if wanted.discipline:
        query = query.where(model.discipline == wanted.discipline)
    if wanted.q:
        return _searched(actor, unit, model, query, wanted, page)
    if wanted.region:
        query = query.where(model.region.between(*subtree(wanted.region)))
    rows = unit.session.scalars(
        query.order_by(Content.published_at.desc(), Content.id.desc()).offset(offset).limit(PAGE_SIZE + 1)
    ).all()
    return Listing(rows[:PAGE_SIZE], page, len(rows) > PAGE_SIZE and page < MAX_PAGE)


def _searched(
    actor: Actor,
    unit: UnitOfWork,
    model: type[Offer] | type[Need],
    query: Any,
    wanted: Filter,
    page: int,
) -> Listing:
    """Narrowing by field happens in SQL, so then the best hits are looked at first and cut into pages."""
    kind = str(model.__mapper__.polymorphic_identity)
    narrowed = bool(wanted.discipline or wanted.added)
    start, size = (0, MOST_NARROWED) if narrowed else ((page - 1) * PAGE_SIZE, PAGE_SIZE)
    found = search(actor, unit, Query(wanted.q, (kind,), wanted.region, start, size))
    ids = [item.id for _, item in found.items]
    rows = {item.id: item for item in unit.session.scalars(query.where(model.id.in_(ids)))}
    items = [rows[i] for i in ids if i in rows]
    total = found.page.total
    if narrowed:
        total, items = len(items), items[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return Listing(items, page, total > page * PAGE_SIZE and page < MAX_PAGE)
