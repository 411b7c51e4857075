"""What reviewers and authors do with a review beside deciding: find it, claim it, hand it over, talk."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from keyun.access import Actor
from keyun.accounts.models import User
from keyun.content.models import Content, Revision
from keyun.content.services import draft_of, whole
from keyun.content.types import ReviewCheck
from keyun.errors import Conflict, Invalid, NotFound
from keyun.reviews import notify
from keyun.reviews.decisions import MISSING, NOT_WAITING, OVERTAKEN, locked, not_in_other_hands
from keyun.reviews.difference import Passage, difference
from keyun.reviews.lifecycle import about
from keyun.reviews.models import MAX_COMMENTS, MAX_WORDS, Review, ReviewComment, ReviewVerdict
from keyun.reviews.rights import REVIEW, is_own, may_judge, may_talk, require_judge, require_talk
from keyun.uow import UnitOfWork

#: Reviews that people still talk about.
TALKED_OF = ("open", "returned", "rejected")


@dataclass(frozen=True, slots=True)
class Remark:
    """One line of the conversation: a comment (``kind`` is ``comment``) or a verdict."""

    kind: str
    side: str
    text: str
    at: dt.datetime
    version: int | None
    user: User | None


def find_review(actor: Actor, unit: UnitOfWork, public_id: str) -> tuple[Review, Content]:
    """A review and its item, for its reviewers and its author.

    :raises NotFound: when there is none, or it is not for this actor: both look the same.
    """
    query = (
        sa.select(Review, Content)
        .join(Content, Content.id == Review.content_id)
        .options(joinedload(Content.organization))
        .where(Review.public_id == public_id)
    )
    return _for(actor, unit, query)


def review_of(actor: Actor, unit: UnitOfWork, content_id: str) -> tuple[Review, Content]:
    """The newest review of the item with the public id ``content_id``; otherwise like :func:`find_review`."""
    query = (
        sa.select(Review, Content)
        .join(Content, Content.id == Review.content_id)
        .where(Content.public_id == content_id)
        .order_by(Review.id.desc())
        .limit(1)
    )
    return _for(actor, unit, query)


def _for(actor: Actor, unit: UnitOfWork, query: sa.Select[Review, Content]) -> tuple[Review, Content]:
    row = unit.session.execute(query.where(whole(unit))).first()
    # Not `require`: who may not know of it reads the same words as when there is none.
    if row is None or not may_talk(actor, unit, row[0], row[1]):
        raise NotFound(MISSING)
    return row[0], row[1]


def claim(actor: Actor, unit: UnitOfWork, review: Review, *, take_over: bool = False) -> Review:
    """Take the review in hand, so that nobody else works on it; ``take_over`` it from a colleague.

    :raises Conflict: when a colleague has it, or it is decided.
    """
    item = locked(unit, review)
    require_judge(actor, unit, review, item)
    free = sa.true() if take_over else not_in_other_hands(actor)
    _set_reviewer(unit, review, actor.user_id, free)
    unit.record("review.claimed", "review", review.id, actor, **about(review))
    return review


def give_back(actor: Actor, unit: UnitOfWork, review: Review) -> Review:
    """Let go of a review that one has claimed."""
    item = locked(unit, review)
    require_judge(actor, unit, review, item)
    _set_reviewer(unit, review, None, Review.reviewer_id == actor.user_id)
    unit.record("review.given-back", "review", review.id, actor, **about(review))
    return review


def hand_over(actor: Actor, unit: UnitOfWork, review: Review, to: Actor) -> Review:
    """Give a review that is free, or one's own, to a colleague who may decide on it.

    :raises Invalid: when the colleague may not.
    """
    item = locked(unit, review)
    require_judge(actor, unit, review, item)
    if not may_judge(to, unit, review, item):
        message = "这个人不能审核这条内容。 (This person may not review it.)"
        raise Invalid(message, {"to": [message]})
    _set_reviewer(unit, review, to.user_id, not_in_other_hands(actor))
    unit.record("review.handed-over", "review", review.id, actor, to=to.user_id, **about(review))
    notify.reviewer(actor, unit, review, item, notify.HANDED)
    return review


def comment(actor: Actor, unit: UnitOfWork, review: Review, text: str) -> ReviewComment:
    """Say something; the other side is told. What was said stays as it is.

    :raises Conflict: when the review is over, or everything has been said.
    """
    item = locked(unit, review)
    require_talk(actor, unit, review, item)
    words = text.strip()
    if not 1 <= len(words) <= MAX_WORDS:
        message = f"须为 1 至 {MAX_WORDS} 个字。 (1 to {MAX_WORDS} characters.)"
        raise Invalid(message, {"text": [message]})
    where = (Review.id == review.id, Review.state.in_(TALKED_OF), Review.comments < MAX_COMMENTS)
    _update(
        unit, review, sa.update(Review).where(*where).values(comments=Review.comments + 1), _silence(review)
    )
    is_reviewer = unit.site.access.allows(actor, REVIEW, item) and not is_own(actor, unit, review, item)
    side = "reviewer" if is_reviewer else "author"
    said = ReviewComment(review_id=review.id, user_id=actor.user_id, side=side, text=words, at=unit.now)
    unit.session.add(said)
    unit.record("review.commented", "review", review.id, actor, side=side, **about(review))
    tell = notify.author if side == "reviewer" else notify.reviewer
    tell(actor, unit, review, item, notify.COMMENTED, words)
    return said


def conversation(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> Sequence[Remark]:
    """What was said and decided, in the order in which it was."""
    require_talk(actor, unit, review, item)
    users = {u.id: u for u in unit.session.scalars(sa.select(User).where(User.id.in_(_speakers(review))))}
    words = sa.select(ReviewComment).where(ReviewComment.review_id == review.id)
    verdicts = sa.select(ReviewVerdict).where(ReviewVerdict.review_id == review.id)
    found = [
        Remark("comment", c.side, c.text, c.at, None, users.get(c.user_id or 0))
        for c in unit.session.scalars(words.order_by(ReviewComment.id).limit(MAX_COMMENTS))
    ] + [
        Remark(v.kind, "reviewer", v.reason, v.at, v.version, users.get(v.user_id or 0))
        for v in unit.session.scalars(verdicts.order_by(ReviewVerdict.id).limit(MAX_COMMENTS))
    ]
    return sorted(found, key=lambda r: r.at)


def _speakers(review: Review) -> sa.CompoundSelect[tuple[int | None]]:
    return sa.union(
        sa.select(ReviewComment.user_id).where(ReviewComment.review_id == review.id),
        sa.select(ReviewVerdict.user_id).where(ReviewVerdict.review_id == review.id),
    )


def checks(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> list[ReviewCheck]:
    """What machines find in the text as it stands now, the worst first."""
    require_talk(actor, unit, review, item)
    found = unit.site.plugins.review_checks(draft_of(unit.site.content_type(item.type), item))
    return sorted(found, key=lambda c: ("fail", "warn", "pass").index(c.outcome))


def changes(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> list[Passage]:
    """What is new against the revision that the public read before; empty when there was none."""
    require_talk(actor, unit, review, item)
    if review.base_version is None:
        return []
    old = unit.session.get(Revision, (item.id, review.base_version))
    kind = unit.site.content_type(item.type)
    return difference(kind, old.data, draft_of(kind, item).values) if old is not None else []


def _set_reviewer(
    unit: UnitOfWork, review: Review, user_id: int | None, condition: sa.ColumnElement[bool]
) -> None:
    change = sa.update(Review).where(Review.id == review.id, Review.state == "open", condition)
    _update(unit, review, change.values(reviewer_id=user_id), OVERTAKEN)


def _update(unit: UnitOfWork, review: Review, change: sa.Update, otherwise: str) -> None:
    done = unit.session.execute(change, execution_options={"synchronize_session": False})
    if not done.rowcount:  # type: ignore[attr-defined]
        raise Conflict(otherwise)
    unit.session.refresh(review)


def _silence(review: Review) -> str:
    """Why nobody may say anything here any more."""
    if review.state in TALKED_OF:
        return f"留言已满 {MAX_COMMENTS} 条。 (There are {MAX_COMMENTS} comments; no more fit.)"
    return NOT_WAITING
