"""What waits for a reviewer: the condition of the queue, and its size by type and region."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from keyun.access import Actor
from keyun.content.models import Content, loaded
from keyun.regions.codes import subtree
from keyun.uow import UnitOfWork

REVIEW = "core.content.review"


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many items of one type wait in one region, and since when the oldest does."""

    type: str
    region: str | None
    count: int
    since: dt.datetime


def waiting(actor: Actor, unit: UnitOfWork) -> sa.ColumnElement[bool]:
    """The condition for items that wait in the regions this reviewer answers for.

    Regions are ranges, so that the database leaves the others out.
    """
    unit.require(actor, REVIEW)
    where = [Content.region.between(*subtree(r)) for r in unit.site.access.regions(actor, REVIEW)]
    # An item without a region is anybody's: whoever holds the permission anywhere may judge it.
    return sa.and_(Content.state == "submitted", sa.or_(Content.region.is_(None), *where))


def count_waiting(actor: Actor, unit: UnitOfWork, before: dt.datetime | None = None) -> Sequence[Waiting]:
    """What waits (since a moment before ``before``), by type and region, the oldest first."""
    since = sa.func.min(Content.changed_at)
    query = (
        sa.select(Content.type, Content.region, sa.func.count(), since)
        .where(waiting(actor, unit), loaded(unit.session))
        .group_by(Content.type, Content.region)
        .order_by(since)
    )
    if before is not None:
        query = query.where(Content.changed_at < before)
    return [Waiting(*row) for row in unit.session.execute(query)]
