"""How many people live in a region: the newest known figure, or the sum of those below it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from keyun.regions import parent_code, subtree
from keyun.uow import UnitOfWork
from keyun_notices.reach.models import Population


@dataclass(frozen=True, slots=True)
class Residents:
    """A figure with its day and its source; of several, the oldest day and all sources."""

    region: str
    people: int
    on: dt.date
    source: str


def residents(unit: UnitOfWork, region: str) -> Residents | None:
    """The residents of ``region`` by the newest figure that is not of the future; None when unknown.

    Without a figure of its own it is the sum of what lies right below, when each of those is known.
    """
    known = {r.region: r for r in _newest(unit, Population.region.between(*subtree(region)))}
    return _sum(unit, region, known)


def of_all(unit: UnitOfWork, regions: Iterable[str]) -> Residents | None:
    """The residents of several regions, none inside another; None when one of them is unknown."""
    found = [residents(unit, r) for r in regions]
    known = [f for f in found if f is not None]
    return (
        _added(known[0].region if len(known) == 1 else "", known)
        if known and len(known) == len(found)
        else None
    )


def bound(unit: UnitOfWork, region: str) -> Residents | None:
    """A number of residents that ``region`` cannot exceed: its own, or that of what lies around it."""
    code: str | None = region
    while code is not None:
        if (found := residents(unit, code)) is not None:
            return found
        code = parent_code(code)
    return None


def _sum(unit: UnitOfWork, region: str, known: dict[str, Residents]) -> Residents | None:
    if region in known:
        return known[region]
    places = unit.site.regions
    # Statistical zones are counted within the official counties around them.
    below = [p for p in places.children(region) if p.kind != "zone"]
    parts = [_sum(unit, p.code, known) for p in below]
    found = [p for p in parts if p is not None]
    return _added(region, found) if parts and len(found) == len(parts) else None


def _added(region: str, parts: Sequence[Residents]) -> Residents:
    sources = dict.fromkeys(p.source for p in parts)
    return Residents(region, sum(p.people for p in parts), min(p.on for p in parts), "；".join(sources))


def _newest(unit: UnitOfWork, where: sa.ColumnElement[bool]) -> list[Residents]:
    query = sa.select(Population).where(where, Population.on <= unit.today).order_by(Population.on)
    # The last one of each region wins.
    rows = {p.region: p for p in unit.session.scalars(query)}
    return [Residents(p.region, p.people, p.on, p.source) for p in rows.values()]
