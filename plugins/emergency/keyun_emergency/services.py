"""Lists of resources, who may write them, and what keeps them from looking like a warning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from marshmallow import fields
from sqlalchemy.orm import joinedload

from keyun.access import Actor
from keyun.api import Page, page
from keyun.content import Choice, Content, ContentField, ContentType, Draft, Verdict, published
from keyun.plugins import Permission
from keyun.uow import UnitOfWork
from keyun_emergency.models import HAZARDS, RESOURCE, Resource
from keyun_emergency.schemas import ResourceSchema

PAGE_SIZE = 20
MOST_DRAFTS = 50
NOTICE = (
    "科云不发布预警，本内容是科普知识；预警以 12379、当地政府和应急、气象部门发布为准，"
    "紧急情况拨打 110、119、120。"
    " (Keyun never issues warnings; follow 12379 and the authorities.)"
)
NO_SOURCE = "请写明来源，避险知识必须能查证。 (Name the source.)"
NO_VOUCHER = "请写明审定者，避险知识须有人把关。 (Name who vouches for it.)"
LIKE_A_WARNING = (
    "内容看起来像预警信息，须经审核；科云只发布科普，不发布预警。"
    " (It reads like a warning; a reviewer looks at it first.)"
)
#: A warning in force, not a text about warnings: a colour with 预警, or one that is issued, raised or lifted.
WARNING = re.compile(
    r"[红橙黄蓝]色(?:预警|警报)|(?:发布|升级|解除|启动)[^。！？\n]{0,12}(?:预警|警报|应急响应)"
)


def resource_type() -> ContentType:
    """The content type of this plugin."""
    return ContentType(
        RESOURCE, Resource, ResourceSchema, "emergency.show", "应急科普资料", "emergency resource", level=0
    )


def hazard_field() -> ContentField:
    """Which hazard an article of the popular science library is about, if any."""
    choices = tuple(Choice(h.code, h.title, h.title_en) for h in HAZARDS)
    return ContentField(
        "popsci.article", "hazard", fields.String(), "相关灾种", "Hazard", choices=choices, filter=True
    )


def permissions() -> tuple[Permission, ...]:
    """Editors write; others read."""
    editors = frozenset({"editor", "staff", "admin"})
    return (
        Permission(f"{RESOURCE}.create", "起草应急科普资料", "draft a resource", editors),
        Permission(f"{RESOURCE}.edit", "修改应急科普资料", "edit a resource", editors, owner=True),
        Permission(f"{RESOURCE}.publish", "发布应急科普资料", "publish a resource", editors),
        Permission(f"{RESOURCE}.withdraw", "撤回应急科普资料", "withdraw a resource", editors, owner=True),
    )


def resources(
    actor: Actor,
    unit: UnitOfWork,
    hazard: str | None = None,
    after: str | None = None,
    limit: int = PAGE_SIZE,
    conditions: Sequence[sa.ColumnElement[bool]] = (),
) -> Page[Resource]:
    """A page of public resources, newest first; open to everyone, so there is nothing to check.

    ``conditions`` narrow it down by fields that plugins add.

    :raises Invalid: when ``after`` is not the ``next`` of a page.
    """
    query = (
        sa.select(Resource)
        .where(Resource.type == RESOURCE, published(unit.now), *conditions)
        .options(joinedload(Resource.organization))
    )
    if hazard is not None:
        query = query.where(Resource.hazard == hazard)
    # The columns of one table, so that an index leads through the list.
    keys: Sequence[Any] = (Content.published_at, Content.id)
    return page(unit.session, query, keys, after=after, limit=limit)


def drafts(actor: Actor, unit: UnitOfWork) -> Sequence[Resource]:
    """What ``actor`` wrote and the public does not see yet."""
    unit.require(actor, f"{RESOURCE}.create")
    query = sa.select(Resource).where(
        Resource.owner_id == actor.user_id, Resource.state.in_(("draft", "submitted", "rejected"))
    )
    return unit.session.scalars(query.order_by(Resource.changed_at.desc()).limit(MOST_DRAFTS)).all()


def screen(draft: Draft) -> Verdict | None:
    """Refuse a resource without source or voucher; hold what reads like a warning."""
    if draft.type != RESOURCE:
        return None
    checks = (("source", NO_SOURCE), ("voucher", NO_VOUCHER))
    missing = [reason for name, reason in checks if not str(draft.values.get(name) or "").strip()]
    if missing:
        return Verdict.refuse(" ".join(missing))
    text = "\n".join((draft.title, draft.summary, draft.body))
    return Verdict.hold(LIKE_A_WARNING) if WARNING.search(text) else None
