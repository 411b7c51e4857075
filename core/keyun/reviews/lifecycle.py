"""How reviews follow their items: opened with a submission, begun anew with a new text, closed with an end.

Called by the services of content, in their transaction and after their permission.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from keyun.access import Actor
from keyun.content.models import Content, Revision
from keyun.reviews.models import Review, ReviewVerdict
from keyun.reviews.policy import Rule
from keyun.uow import UnitOfWork

CHUNK = 1000
UNDECIDED = ("open", "returned")


@dataclass(frozen=True, slots=True)
class Submission:
    """An item that was just written and waits now, what the rules ask, and whether the public reads it."""

    item: Content
    rule: Rule
    was_public: bool = False


def submit(actor: Actor, unit: UnitOfWork, submission: Submission) -> Review:
    """See :func:`submit_all`."""
    return submit_all(actor, unit, [submission])[0]


def submit_all(actor: Actor, unit: UnitOfWork, submissions: Sequence[Submission]) -> list[Review]:
    """See to it that every item has an open review of its current version.

    One that was returned goes on, with its conversation; an open one begins anew when the text is
    another. Give it items whose version and revision are written. Open to whoever may submit.
    """
    ids = [s.item.id for s in submissions]
    latest = _latest(unit, ids)
    bases = _bases(unit, [s.item for s in submissions if s.was_public])
    found, opened = [], []
    for submission in submissions:
        item, before = submission.item, latest.get(submission.item.id)
        if before is not None and before.state == "open":
            found.append(_renewed(before, submission))
            continue
        base = bases.get(item.id)
        if base is None and item.published_at is not None and before is not None:
            base = before.base_version
        if before is None or before.state != "returned":
            before = Review(content_id=item.id, comments=0)
            unit.session.add(before)
        opened.append(_opened(actor, unit, before, submission, base))
        found.append(opened[-1])
    unit.session.flush()
    for review in opened:
        unit.record("review.opened", "review", review.id, actor, **about(review))
    return found


def has_spoken(unit: UnitOfWork, item: Content) -> bool:
    """Whether a reviewer sent ``item`` back or has begun to judge it: then its author cannot let it pass."""
    newest = sa.select(sa.func.max(Review.id)).where(Review.content_id == item.id).scalar_subquery()
    judged = sa.exists().where(ReviewVerdict.review_id == Review.id)
    spoken = sa.or_(Review.state.in_(("returned", "rejected")), sa.and_(Review.state == "open", judged))
    return unit.session.scalar(sa.select(Review.id).where(Review.id == newest, spoken)) is not None


def end(actor: Actor, unit: UnitOfWork, ids: Collection[int]) -> None:
    """Close what is undecided about items that leave for good, or became public another way."""
    numbers = sorted(ids)
    for start in range(0, len(numbers), CHUNK):
        where = (Review.content_id.in_(numbers[start : start + CHUNK]), Review.state.in_(UNDECIDED))
        reviews = unit.session.scalars(sa.select(Review).where(*where)).all()
        for review in reviews:
            review.state, review.closed_at, review.reviewer_id = "closed", unit.now, None
            unit.record("review.closed", "review", review.id, actor, **about(review))
    unit.session.flush()


def _renewed(review: Review, submission: Submission) -> Review:
    """Put the open ``review`` on the current text; approvals of another text no longer count."""
    if review.version != submission.item.version:
        review.version, review.approvals = submission.item.version, 0
        review.needed, review.role = submission.rule.approvals, submission.rule.role
    return review


def about(review: Review) -> dict[str, int]:
    """What events say about a review beside its number."""
    return {"content_id": review.content_id, "version": review.version}


def _opened(
    actor: Actor, unit: UnitOfWork, review: Review, submission: Submission, base: int | None
) -> Review:
    rule, item = submission.rule, submission.item
    review.state, review.version, review.base_version = "open", item.version, base
    review.asked_by_id = actor.user_id if actor.user_id is not None else item.owner_id
    review.needed, review.role, review.approvals = rule.approvals, rule.role, 0
    review.opened_at, review.due_at = unit.now, unit.now + rule.deadline
    review.reviewer_id = review.reminded_at = review.closed_at = None
    return review


def _latest(unit: UnitOfWork, ids: Sequence[int]) -> Mapping[int, Review]:
    """The newest review of each item that had one; read anew, because another process may have decided."""
    newest = sa.select(sa.func.max(Review.id)).where(Review.content_id.in_(ids)).group_by(Review.content_id)
    query = sa.select(Review).where(Review.id.in_(newest)).execution_options(populate_existing=True)
    return {r.content_id: r for r in unit.session.scalars(query)}


def _bases(unit: UnitOfWork, items: Sequence[Content]) -> Mapping[int, int]:
    """The revision before the current one of each of ``items``: what the public read until now."""
    if not items:
        return {}
    versions = {i.id: i.version for i in items}
    query = sa.select(Revision.content_id, Revision.version).where(Revision.content_id.in_(versions))
    found: dict[int, int] = {}
    for number, version in unit.session.execute(query):
        if found.get(number, 0) < version < versions[number]:
            found[number] = version
    return found


def overdue(now: dt.datetime) -> sa.ColumnElement[bool]:
    """The condition for reviews that wait longer than their deadline; it holds at once, no job decides it."""
    return sa.and_(Review.state == "open", Review.due_at < now)
