"""The life of an item: draft, submitted, published, withdrawn or expired; rejected on the way.

Every change is an event and a revision. Screening stands before the public: hooks may hold or refuse
a text, and the policy of its type and region may ask for a reviewer first (先审后发).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.orm.exc import StaleDataError

from keyun.access import Actor
from keyun.content.fields import merged
from keyun.content.models import ENDED, Content, Revision
from keyun.content.types import ContentType, Draft
from keyun.errors import Conflict, Invalid, NotFound
from keyun.forms import load
from keyun.reviews.lifecycle import Submission, end, has_spoken, submit
from keyun.reviews.policy import BY_RULE, Rule, rule_for
from keyun.uow import UnitOfWork

C = TypeVar("C", bound=Content)
SPOKEN = "审核员提过意见，须再经审核员同意。 (A reviewer has spoken, so a reviewer decides again.)"
CHANGED_ELSEWHERE = "内容已被他人修改，请刷新后再改。 (Somebody else changed this; reload and try again.)"


def published(now: dt.datetime) -> sa.ColumnElement[bool]:
    """The condition under which the public sees an item; expiry holds at once, not when a job runs."""
    return sa.and_(
        Content.state == "published", sa.or_(Content.expires_at.is_(None), Content.expires_at > now)
    )


def whole(unit: UnitOfWork) -> sa.ColumnElement[bool]:
    """The condition for items that have the row of their type; the page of one without is not found.

    An item lacks it while the plugin that serves its type now has not taken it over, or refused to.
    """
    return sa.or_(sa.false(), *(_has_row(kind) for kind in unit.site.types.values()))


def _has_row(kind: ContentType) -> sa.ColumnElement[bool]:
    own, of_kind = kind.model.__table__, Content.type == kind.name
    if own is Content.__table__:
        return of_kind
    return sa.and_(of_kind, sa.exists().where(own.c.id == Content.id))


def visible(actor: Actor, unit: UnitOfWork, item: Content) -> bool:
    """Whether ``actor`` may read ``item``: the public what is published, owners and reviewers the rest."""
    live = item.state == "published" and (item.expires_at is None or item.expires_at > unit.now)
    return live or actor.owns(item) or unit.site.access.allows(actor, "core.content.review", item)


def find(actor: Actor, unit: UnitOfWork, model: type[C], public_id: str) -> C:
    """Return the item of ``public_id`` if ``actor`` may read it.

    :raises NotFound: when there is none, or it is not for this actor: both look the same.
    """
    # Whoever shows an item names its organization.
    query = sa.select(model).options(joinedload(Content.organization)).where(model.public_id == public_id)
    if model is Content:
        query = query.where(whole(unit))
    item = unit.session.scalars(query).first()
    if item is None or not visible(actor, unit, item):
        raise NotFound("没有找到这条内容，它可能已撤回。 (Not found; it may have been withdrawn.)")
    return item


def create(actor: Actor, unit: UnitOfWork, kind: ContentType, data: Mapping[str, Any]) -> Content:
    """Write a draft of type ``kind`` that belongs to ``actor``."""
    unit.require(actor, f"{kind.name}.create")
    kind = unit.site.content_type(kind.name)
    values = load(kind.schema(), data)
    _check_region(unit, values.get("region"))
    item = kind.model(
        **{"extra": {}, **values},
        type=kind.name,
        state="draft",
        owner_id=actor.user_id,
        created_at=unit.now,
        changed_at=unit.now,
    )
    if item.organization_id is None and len(actor.organizations) == 1:
        (item.organization_id,) = actor.organizations
    unit.session.add(item)
    unit.session.flush()
    _remember(actor, unit, kind, item, "content.created")
    return item


def change(
    actor: Actor, unit: UnitOfWork, item: Content, data: Mapping[str, Any], version: int | None = None
) -> Content:
    """Change what people wrote; a published item is screened again.

    :raises Conflict: when ``version`` (what the writer saw) is no longer the current one.
    """
    unit.require(actor, f"{item.type}.edit", item)
    if version is not None and version != item.version:
        raise Conflict(CHANGED_ELSEWHERE)
    if item.state in ENDED:
        raise Conflict(
            "已撤回或过期的内容不能修改，请另起一条。 (A withdrawn item cannot be changed; write a new one.)"
        )
    kind = unit.site.content_type(item.type)
    values = load(kind.schema(), data, partial=True)
    _check_region(unit, values.get("region"))
    values["extra"] = merged(item.extra, values.get("extra", {}))
    for name, value in values.items():
        setattr(item, name, value)
    item.changed_at = unit.now
    # A change is a version, also within the same moment as another one.
    flag_modified(item, "changed_at")
    was_public = item.state == "published"
    if was_public:
        item.state, item.note = _screen(actor, unit, kind, item)
    flush(unit)
    _remember(actor, unit, kind, item, "content.changed")
    if item.state == "submitted":
        submit(actor, unit, Submission(item, _rule(unit, draft_of(kind, item)), was_public))
    return item


def publish(actor: Actor, unit: UnitOfWork, item: Content) -> Content:
    """Bring ``item`` to the public, or to a reviewer when screening or policy asks for one.

    What a reviewer has sent back needs a reviewer again, whatever the rules say of the new text.

    :raises Invalid: when a screener refuses the text, with its reason.
    """
    unit.require(actor, f"{item.type}.publish", item)
    if item.state not in ("draft", "rejected", "submitted"):
        raise Conflict("只有草稿可以发布。 (Only a draft can be published.)")
    kind = unit.site.content_type(item.type)
    state, note = _screen(actor, unit, kind, item)
    was_asked = item.state != "draft"
    if state == "published" and was_asked and not actor.is_system and has_spoken(unit, item):
        state, note = "submitted", SPOKEN
    if state == "published":
        make_public(actor, unit, item)
        if was_asked:
            end(actor, unit, [item.id])
        return item
    item.state, item.note = state, note
    flush(unit)
    unit.record("content.submitted", item.type, item.id, actor, reason=note)
    submit(actor, unit, Submission(item, _rule(unit, draft_of(kind, item))))
    return item


def withdraw(actor: Actor, unit: UnitOfWork, item: Content) -> Content:
    """Take an item back; it stays stored and leaves every list."""
    unit.require(actor, f"{item.type}.withdraw", item)
    if item.state in ENDED:
        raise Conflict("这条内容已经撤回或过期。 (It is withdrawn or expired already.)")
    item.state = "withdrawn"
    flush(unit)
    unit.record("content.withdrawn", item.type, item.id, actor)
    end(actor, unit, [item.id])
    return item


def expire(actor: Actor, unit: UnitOfWork) -> int:
    """Mark what has run out; lists have left it out since the moment it did. Returns the number.

    What ran out while it waited for a reviewer needs none any more.
    """
    unit.require(actor, "core.content.review")
    query = sa.select(Content).where(
        Content.state.in_(("published", "submitted")),
        Content.expires_at.is_not(None),
        Content.expires_at <= unit.now,
    )
    items = unit.session.scalars(query.limit(1000)).all()
    for item in items:
        item.state = "expired"
        unit.record("content.expired", item.type, item.id, actor)
    flush(unit)
    end(actor, unit, [i.id for i in items])
    return len(items)


def draft_of(kind: ContentType, item: Content) -> Draft:
    """What ``item`` says, as screeners and checks of a review get it."""
    values = kind.schema().dump(item)
    return Draft(item.type, item.title, item.summary or "", item.body or "", item.region, values)


def make_public(actor: Actor, unit: UnitOfWork, item: Content) -> None:
    """Let the public read ``item``; whoever calls this has asked for the permission."""
    item.state, item.note, item.published_at = "published", "", unit.now
    flush(unit)
    unit.record("content.published", item.type, item.id, actor)


def flush(unit: UnitOfWork) -> None:
    """Write what was changed.

    :raises Conflict: when somebody else changed the same item first.
    """
    try:
        unit.session.flush()
    except StaleDataError:
        raise Conflict(CHANGED_ELSEWHERE) from None


def _rule(unit: UnitOfWork, draft: Draft) -> Rule:
    return rule_for(unit, draft.type, draft.region, draft.values)


def _screen(actor: Actor, unit: UnitOfWork, kind: ContentType, item: Content) -> tuple[str, str]:
    """Return the state the item may take, and the note for the reviewer."""
    draft = draft_of(kind, item)
    verdicts = unit.site.plugins.screen(actor, draft)
    refused = [v.reason for v in verdicts if v.refused]
    if refused:
        raise Invalid(" ".join(refused), {"body": refused})
    if verdicts:
        return "submitted", " ".join(v.reason for v in verdicts)
    if _rule(unit, draft).review_first and not actor.is_system:
        return "submitted", BY_RULE
    return "published", ""


def _remember(actor: Actor, unit: UnitOfWork, kind: ContentType, item: Content, event: str) -> None:
    data = kind.schema().dump(item)
    unit.session.add(
        Revision(content_id=item.id, version=item.version, at=unit.now, actor_id=actor.user_id, data=data)
    )
    unit.record(event, item.type, item.id, actor, version=item.version)


def _check_region(unit: UnitOfWork, code: object) -> None:
    if code and code not in unit.site.regions:
        message = f"行政区划代码 {code} 不存在。 (Unknown region code.)"
        raise Invalid(message, {"region": [message]})
