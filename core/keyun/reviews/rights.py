"""Who may judge what: reviewers of the region and role, and never the people who wrote the text."""

from __future__ import annotations

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts.models import Grant, User
from keyun.accounts.services import actor_for
from keyun.content.models import Content, Revision
from keyun.errors import Forbidden
from keyun.regions.codes import parent_code, subtree
from keyun.reviews.models import Review
from keyun.uow import UnitOfWork

REVIEW = "core.content.review"
DISCUSS = "core.review.discuss"
#: So many colleagues are offered for a hand-over.
MOST_COLLEAGUES = 50
OWN = "不能审核自己写的内容，请由另一个人审核。 (Nobody reviews a text of his own; somebody else must.)"


def is_own(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> bool:
    """Whether ``actor`` owns the item, submitted it, or wrote any version of it."""
    if actor.user_id is None:
        return False
    if actor.user_id in (item.owner_id, review.asked_by_id):
        return True
    wrote = sa.exists().where(Revision.content_id == item.id, Revision.actor_id == actor.user_id)
    return bool(unit.session.scalar(sa.select(wrote)))


def reviews_there(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> bool:
    """Whether ``actor`` is a reviewer of this kind, were it not a text of his own."""
    if not unit.site.access.allows(actor, REVIEW, item):
        return False
    return actor.is_system or not review.role or bool(actor.roles(item.region) & {review.role, "admin"})


def may_judge(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> bool:
    """Whether ``actor`` may decide on this review."""
    return reviews_there(actor, unit, review, item) and not is_own(actor, unit, review, item)


def require_judge(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> None:
    """Stop whoever may not decide; the rule of two people holds for administrators as well.

    :raises Forbidden: with the reason.
    """
    unit.require(actor, REVIEW, item)
    if not reviews_there(actor, unit, review, item):
        raise Forbidden(
            f"这条内容须由指定角色审核。 (Only reviewers with the role {review.role} judge this.)"
        )
    if is_own(actor, unit, review, item):
        raise Forbidden(OWN)


def may_talk(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> bool:
    """Whether ``actor`` may read the review and talk in it: reviewers, owners, and who submitted the text."""
    asked = actor.is_user and actor.user_id == review.asked_by_id
    return asked or unit.site.access.allows(actor, DISCUSS, item)


def require_talk(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> None:
    """Stop whoever may not read the review.

    :raises Forbidden: with the reason.
    """
    if not may_talk(actor, unit, review, item):
        unit.require(actor, DISCUSS, item)


def in_reach(actor: Actor, unit: UnitOfWork) -> sa.ColumnElement[bool]:
    """The condition for reviews (joined with their items) in the regions this reviewer answers for.

    Regions are ranges, so that the database leaves the others out. An item without a region is
    anybody's: whoever holds the permission anywhere may judge it.
    """
    unit.require(actor, REVIEW)
    if actor.is_system:
        return sa.true()
    allowed = unit.site.access.permissions[REVIEW].roles
    grants = [(role, region) for role, region in actor.grants if role in allowed]
    return sa.or_(sa.false(), *(_reached(role, region) for role, region in grants))


def _reached(role: str, region: str) -> sa.ColumnElement[bool]:
    place = sa.or_(Content.region.is_(None), Content.region.between(*subtree(region)))
    return place if role == "admin" else sa.and_(place, Review.role.in_(("", role)))


def colleagues(actor: Actor, unit: UnitOfWork, review: Review, item: Content) -> list[User]:
    """Who else could decide on this review, by name; with as many statements for fifty as for one."""
    unit.require(actor, REVIEW, item)
    roles = unit.site.access.permissions[REVIEW].roles & (
        {review.role, "admin"} if review.role else unit.site.access.permissions[REVIEW].roles
    )
    holds = sa.exists().where(Grant.user_id == User.id, Grant.role.in_(roles), *_above(item.region))
    wrote = sa.exists().where(Revision.content_id == item.id, Revision.actor_id == User.id)
    ruled_out = {actor.user_id, item.owner_id, review.asked_by_id} - {None}
    query = sa.select(User).where(User.active.is_(True), User.id.not_in(ruled_out), ~wrote, holds)
    found = unit.session.scalars(query.order_by(User.name, User.id).limit(MOST_COLLEAGUES)).all()
    return [u for u in found if reviews_there(actor_for(u), unit, review, item)]


def _above(region: str | None) -> list[sa.ColumnElement[bool]]:
    """The condition for grants that reach ``region``; any does when there is none."""
    codes: list[str] = []
    while region is not None:
        codes.append(region)
        region = parent_code(region)
    return [Grant.region.in_(codes)] if codes else []
