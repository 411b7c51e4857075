"""What waits for a reviewer, the most urgent first; its size by type and region; one's own submissions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from keyun.access import Actor
from keyun.accounts.models import User
from keyun.api.paging import Page, page
from keyun.content.models import Content
from keyun.content.services import whole
from keyun.errors import Forbidden
from keyun.regions.codes import subtree
from keyun.reviews.lifecycle import overdue
from keyun.reviews.models import Review
from keyun.reviews.rights import in_reach
from keyun.uow import UnitOfWork

PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many items of one type wait in one region, and since when the oldest does."""

    type: str
    region: str | None
    count: int
    since: dt.datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the queue is asked for; nothing narrows it down."""

    mine: bool = False
    unclaimed: bool = False
    overdue: bool = False
    type: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A review in a list; ``reviewer`` is who claimed it, if the account is open."""

    review: Review
    item: Content
    reviewer: User | None


def queue(
    actor: Actor, unit: UnitOfWork, wanted: Wanted, after: str | None = None, limit: int = PAGE_SIZE
) -> Page[Entry]:
    """A page of what waits in the reach of this reviewer, the nearest deadline first.

    :raises Invalid: when ``after`` is not the ``next`` of a page.
    """
    query = (
        sa.select(Review)
        .join(Content, Content.id == Review.content_id)
        .where(Review.state == "open", in_reach(actor, unit), whole(unit), *_narrow(actor, unit, wanted))
    )
    keys = (Review.due_at, Review.id)
    return _entries(unit, page(unit.session, query, keys, after=after, limit=limit, descending=False))


def own(actor: Actor, unit: UnitOfWork, after: str | None = None, limit: int = PAGE_SIZE) -> Page[Entry]:
    """A page of the reviews of what one submitted or owns, the newest first; everybody may see his own.

    :raises Forbidden: for a visitor.
    """
    if not actor.is_user:
        raise Forbidden("请先登录。 (Log in first.)")
    mine = sa.or_(
        Content.owner_id == actor.user_id,
        Review.asked_by_id == actor.user_id,
        Content.organization_id.in_(actor.organizations),
    )
    query = sa.select(Review).join(Content, Content.id == Review.content_id).where(mine, whole(unit))
    return _entries(unit, page(unit.session, query, (Review.id,), after=after, limit=limit))


def count_waiting(actor: Actor, unit: UnitOfWork, *, late: bool = False) -> Sequence[Waiting]:
    """What waits (``late``: longer than its deadline), by type and region, the oldest first."""
    since = sa.func.min(Review.opened_at)
    query = (
        sa.select(Content.type, Content.region, sa.func.count(), since)
        .join(Review, Review.content_id == Content.id)
        .where(Review.state == "open", in_reach(actor, unit), whole(unit))
        .group_by(Content.type, Content.region)
        .order_by(since)
    )
    if late:
        query = query.where(overdue(unit.now))
    return [Waiting(*row) for row in unit.session.execute(query)]


def _narrow(actor: Actor, unit: UnitOfWork, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    claimed = sa.exists().where(User.id == Review.reviewer_id, User.active.is_(True))
    found: list[sa.ColumnElement[bool]] = []
    if wanted.mine:
        found.append(Review.reviewer_id == actor.user_id)
    if wanted.unclaimed:
        found.append(~claimed)
    if wanted.overdue:
        found.append(overdue(unit.now))
    if wanted.type:
        found.append(Content.type == wanted.type)
    if wanted.region:
        found.append(Content.region.between(*subtree(wanted.region)))
    return found


def _entries(unit: UnitOfWork, found: Page[Review]) -> Page[Entry]:
    """The reviews of a page with their items and reviewers, read at once."""
    ids = [r.content_id for r in found.items]
    query = sa.select(Content).where(Content.id.in_(ids)).options(joinedload(Content.organization))
    items: Mapping[int, Content] = {c.id: c for c in unit.session.scalars(query)}
    people = {r.reviewer_id for r in found.items} - {None}
    active = sa.select(User).where(User.id.in_(people), User.active.is_(True))
    users = {u.id: u for u in unit.session.scalars(active)} if people else {}
    entries = [Entry(r, items[r.content_id], users.get(r.reviewer_id or 0)) for r in found.items]
    return Page(entries, found.next)
