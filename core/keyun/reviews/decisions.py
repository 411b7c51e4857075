"""Decide on a review. One conditional UPDATE says whose decision counts; the item follows it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import Actor
from keyun.accounts.models import User
from keyun.content.models import Content
from keyun.content.services import flush, make_public
from keyun.db import is_sqlite
from keyun.errors import Conflict, Invalid, NotFound
from keyun.reviews import notify
from keyun.reviews.lifecycle import about
from keyun.reviews.models import VERDICTS, Review, ReviewVerdict
from keyun.reviews.rights import REVIEW, require_judge
from keyun.uow import UnitOfWork

MAX_REASON = 500
MISSING = "没有找到这条审核。 (There is no such review.)"
NOT_WAITING = "这条内容不在待审状态。 (It does not wait for review.)"
OVERTAKEN = (
    "审核已有结果、文字已改动，或由别人处理中，请刷新后再定。"
    " (It is decided, changed or in other hands by now; reload and look again.)"
)
TWICE = "你已审过这一版，还需要另一位审核员。 (You have judged this version; another reviewer is needed.)"


def decide(
    actor: Actor, unit: UnitOfWork, review: Review, verdict: str, reason: str = "", version: int | None = None
) -> Review:
    """Approve the text, ask for changes, or reject it; the last two need a reason that its author reads.

    Enough approvals of the same version make the item public. ``version`` is what the reviewer saw.

    :raises Conflict: when the review is decided, in other hands, or about another version by now.
    """
    item = locked(unit, review)
    require_judge(actor, unit, review, item)
    if verdict not in VERDICTS:
        raise Invalid(f"verdict must be one of {', '.join(VERDICTS)}", {"verdict": [str(verdict)[:40]]})
    words = _reason(verdict, reason)
    if item.state != "submitted":
        raise Conflict(NOT_WAITING)
    if verdict == "approve" and item.expires_at is not None and item.expires_at <= unit.now:
        raise Conflict("有效期已过，请作者改期。 (It has run out; its author must set another day.)")
    _take(actor, unit, review, verdict, review.version if version is None else version)
    _write_down(actor, unit, review, verdict, words)
    match review.state:
        case "approved":
            item.reviewed_at = unit.now
            make_public(actor, unit, item)
        case "returned" | "rejected":
            item.state, item.note, item.reviewed_at = "rejected", words, unit.now
            flush(unit)
            unit.record("content.rejected", item.type, item.id, actor, reason=words)
    _tell(actor, unit, review, item, verdict, words)
    return review


def release(actor: Actor, unit: UnitOfWork, item: Content) -> Content:
    """A reviewer approves a submitted item; it is public when that was the last approval needed."""
    unit.require(actor, REVIEW, item)
    decide(actor, unit, _of(unit, item), "approve")
    return item


def reject(actor: Actor, unit: UnitOfWork, item: Content, reason: str) -> Content:
    """A reviewer sends a submitted item back with a reason that its owner reads."""
    unit.require(actor, REVIEW, item)
    decide(actor, unit, _of(unit, item), "reject", reason)
    return item


def reopen(actor: Actor, unit: UnitOfWork, review: Review, reason: str) -> Review:
    """Put a decided review to the question again; what it made public waits until it is decided anew.

    Approvals of before no longer count.

    :raises Conflict: when the item has moved on.
    """
    item = locked(unit, review)
    require_judge(actor, unit, review, item)
    words = _reason("reopen", reason)
    states = {"approved": "published", "rejected": "rejected"}
    if states.get(review.state) != item.state or _newest(unit, item) != review.id:
        raise Conflict("这条内容已有变化，不能重新审核。 (The item has moved on; it cannot be reopened.)")
    deadline = review.due_at - review.opened_at
    item.state, item.note = "submitted", words
    flush(unit)
    change = sa.update(Review).where(Review.id == review.id, Review.state == review.state)
    values = {"state": "open", "version": item.version, "approvals": 0, "reviewer_id": None}
    times = {"opened_at": unit.now, "due_at": unit.now + deadline, "reminded_at": None, "closed_at": None}
    _count(unit, review, change.values(**values, **times))
    unit.record("content.submitted", item.type, item.id, actor, reason=words)
    unit.record("review.reopened", "review", review.id, actor, reason=words, **about(review))
    notify.author(actor, unit, review, item, notify.REOPENED, words)
    return review


def locked(unit: UnitOfWork, review: Review) -> Content:
    """The item of ``review``, both as they are now; nobody changes the item until this transaction ends.

    Whoever changes an item locks it before its review, so nobody waits in a circle. A text that was
    written beside the services of content (a bulk import) is another version, which nobody has judged.

    :raises NotFound: when the item is gone by now.
    """
    lock = sa.select(Content.id).where(Content.id == review.content_id).with_for_update()
    unit.session.execute(lock)
    again = {"populate_existing": True}
    item = unit.session.scalars(
        sa.select(Content).where(Content.id == review.content_id), execution_options=again
    ).one_or_none()
    if item is None:
        raise NotFound(MISSING)
    unit.session.refresh(review)
    if review.state == "open" and review.version != item.version:
        review.version, review.approvals = item.version, 0
    return item


def not_in_other_hands(actor: Actor) -> sa.ColumnElement[bool]:
    """The condition for reviews that nobody claimed, or ``actor`` did, or a closed account."""
    closed = sa.exists().where(User.id == Review.reviewer_id, User.active.is_(False))
    return sa.or_(Review.reviewer_id.is_(None), Review.reviewer_id == actor.user_id, closed)


def _of(unit: UnitOfWork, item: Content) -> Review:
    """The open review of ``item``.

    :raises Conflict: when it has none.
    """
    query = sa.select(Review).where(Review.content_id == item.id, Review.state == "open")
    review = unit.session.scalars(query).first()
    if review is None:
        raise Conflict(NOT_WAITING)
    return review


def _newest(unit: UnitOfWork, item: Content) -> int | None:
    return unit.session.scalar(sa.select(sa.func.max(Review.id)).where(Review.content_id == item.id))


def _reason(verdict: str, reason: str) -> str:
    words = reason.strip()
    if len(words) > MAX_REASON:
        message = f"理由最多 {MAX_REASON} 个字。 (At most {MAX_REASON} characters.)"
        raise Invalid(message, {"reason": [message]})
    if verdict != "approve" and not words:
        message = "请写明退回原因。 (Give a reason.)"
        raise Invalid(message, {"reason": [message]})
    return words


def _take(actor: Actor, unit: UnitOfWork, review: Review, verdict: str, version: int) -> None:
    """Count the verdict, if the review is still what the reviewer saw."""
    ends = {"changes": "returned", "reject": "rejected"}
    enough = Review.approvals + 1 >= Review.needed
    state = ends.get(verdict) or sa.case((enough, "approved"), else_="open")
    where = (Review.id == review.id, Review.state == "open", Review.version == version)
    values: dict[str, object] = {"state": state, "reviewer_id": None}
    if verdict == "approve":
        values["approvals"] = Review.approvals + 1
    values["closed_at"] = unit.now if verdict != "approve" else sa.case((enough, unit.now), else_=None)
    _count(unit, review, sa.update(Review).where(*where, not_in_other_hands(actor)).values(values))


def _count(unit: UnitOfWork, review: Review, change: sa.Update) -> None:
    done = unit.session.execute(change, execution_options={"synchronize_session": False})
    if not done.rowcount:  # type: ignore[attr-defined]
        raise Conflict(OVERTAKEN)
    unit.session.refresh(review)


def _write_down(actor: Actor, unit: UnitOfWork, review: Review, verdict: str, words: str) -> None:
    """Keep what was said. Nobody says the same of a version twice, so two approvals are two people's."""
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(ReviewVerdict)
    row = insert.values(
        review_id=review.id, user_id=actor.user_id, version=review.version, kind=verdict, reason=words,
        at=unit.now,
    )  # fmt: skip
    key = ["review_id", "user_id", "version", "kind"]
    written = row.on_conflict_do_nothing(index_elements=key).returning(ReviewVerdict.id)
    if unit.session.scalar(written) is None:
        raise Conflict(TWICE)


EVENTS = {"approve": "review.approved", "changes": "review.returned", "reject": "review.rejected"}


def _tell(actor: Actor, unit: UnitOfWork, review: Review, item: Content, verdict: str, words: str) -> None:
    counted = {"approvals": review.approvals, "needed": review.needed}
    unit.record(EVENTS[verdict], "review", review.id, actor, **about(review), **counted)
    said = {"approved": notify.PUBLIC, "returned": notify.RETURNED, "rejected": notify.REJECTED}
    if review.state in said:
        notify.author(actor, unit, review, item, said[review.state], words)
