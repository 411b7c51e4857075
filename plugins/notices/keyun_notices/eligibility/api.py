"""Calls for programs: what is open and whether one is eligible; staff write, count and publish."""

from __future__ import annotations

import uuid
from typing import Any

from flask import url_for
from marshmallow import Schema, fields, validate

from keyun.access import requires
from keyun.api import ApiBlueprint, Moment, PageArguments, Whole, operation
from keyun.web.context import actor, reading, writing
from keyun_notices.audience.trial import Trial
from keyun_notices.eligibility import services
from keyun_notices.eligibility.models import Call
from keyun_notices.eligibility.schemas import KINDS, LINK
from keyun_notices.people.api import CautionSchema, ClauseSchema, caution_dict, clause_dict

ONE = "/calls/<uuid:public_id>"


class CallBody(Schema):
    """A call: what staff give."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    title = fields.String(required=True, validate=validate.Length(2, 120))
    summary = fields.String(load_default="", validate=validate.Length(max=4000))
    link = fields.String(load_default=None, allow_none=True, validate=validate.Regexp(rf"\A{LINK}\Z"))
    region = fields.String(required=True, validate=validate.Regexp(r"^[0-9]{6}\Z"))
    audience = fields.Dict(
        keys=fields.String(), required=True, metadata={"description": "申报条件 / who is eligible"}
    )
    opens_at = Moment(load_default=None, allow_none=True)
    closes_at = Moment(load_default=None, allow_none=True)


class ChangeBody(CallBody):
    """A changed call; with ``version`` only what was seen is changed."""

    version = Whole(load_default=None, allow_none=True, validate=validate.Range(1, 2**31 - 1))


class PublishBody(Schema):
    """How to publish."""

    tell = fields.Boolean(
        load_default=False, metadata={"description": "通知符合条件的人 / send a notice to the eligible"}
    )


class CallItemSchema(Schema):
    """One call."""

    id = fields.String(required=True)
    kind = fields.String(required=True)
    title = fields.String(required=True)
    summary = fields.String(required=True)
    link = fields.String(required=True, allow_none=True)
    region = fields.String(required=True)
    audience = fields.Dict(required=True)
    opens_at = Moment(required=True, allow_none=True)
    closes_at = Moment(required=True, allow_none=True)
    state = fields.String(required=True)
    counted = fields.Integer(
        required=True, allow_none=True, metadata={"description": "发布时的人数 / eligible when published"}
    )
    version = fields.Integer(required=True)
    page = fields.String(required=True)


class CallPageSchema(Schema):
    """A page of calls, newest first."""

    items = fields.List(fields.Nested(CallItemSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class ReasonSchema(Schema):
    """One part of the conditions for one person: what it asks, what is known of him, whether it holds."""

    path = fields.String(required=True)
    kind = fields.String(required=True, metadata={"description": "all, any, not or test"})
    holds = fields.Boolean(required=True)
    asks = fields.String(required=True)
    asks_en = fields.String(required=True)
    mine = fields.String(required=True, allow_none=True)
    mine_en = fields.String(required=True, allow_none=True)
    parts = fields.List(fields.Nested(lambda: ReasonSchema()), required=True)


class EligibilitySchema(Schema):
    """Whether one is eligible (null: cannot be told here), and why, clause by clause."""

    call = fields.Nested(CallItemSchema, required=True)
    eligible = fields.Boolean(required=True, allow_none=True)
    why = fields.Nested(ReasonSchema, required=True, allow_none=True)


class TriedSchema(Schema):
    """How many would be eligible now, of how many in the region."""

    count = fields.Integer(required=True)
    of = fields.Integer(required=True)
    clauses = fields.List(fields.Nested(ClauseSchema), required=True)
    warnings = fields.List(fields.Nested(CautionSchema), required=True)


def add(api: ApiBlueprint) -> None:
    """Hang the operations of calls below ``/api/v1/notices``."""
    operation(api, "/calls", calls, CallPageSchema, "正在申报的项目 / Open calls", query=PageArguments)
    operation(
        api,
        "/calls/managed",
        managed_calls,
        CallPageSchema,
        "我管理的申报 / Calls of my regions",
        query=PageArguments,
    )
    operation(
        api,
        "/calls",
        create_call,
        CallItemSchema,
        "新建申报 / Write a call",
        body=CallBody,
        methods=("POST",),
        status=201,
    )
    operation(api, ONE, call, EligibilitySchema, "我是否符合条件 / Whether I am eligible")
    operation(
        api, ONE, change_call, CallItemSchema, "修改申报 / Change a draft", body=ChangeBody, methods=("PUT",)
    )
    operation(
        api, f"{ONE}/count", count_call, TriedSchema, "试算人数 / Count the eligible", methods=("POST",)
    )
    operation(
        api,
        f"{ONE}/publish",
        publish_call,
        CallItemSchema,
        "发布申报 / Publish a call",
        body=PublishBody,
        methods=("POST",),
    )
    operation(
        api, f"{ONE}/withdraw", withdraw_call, CallItemSchema, "撤回申报 / Withdraw a call", methods=("POST",)
    )


@requires(services.READ)
def calls(query: dict[str, Any]) -> dict[str, Any]:
    """What one can apply for now, newest first."""
    found = services.published(actor(), reading(), query["after"], query["limit"])
    return {"items": [call_dict(c) for c in found.items], "next": found.next}


@requires(services.EDIT)
def managed_calls(query: dict[str, Any]) -> dict[str, Any]:
    """Drafts, published and withdrawn calls of the regions for which one writes them, newest first."""
    found = services.managed(actor(), reading(), query["after"], query["limit"])
    return {"items": [call_dict(c) for c in found.items], "next": found.next}


@requires(services.READ)
def call(public_id: uuid.UUID) -> dict[str, Any]:
    """One call, and clause by clause why one is eligible or is not."""
    found = services.mine(actor(), reading(), services.find(actor(), reading(), str(public_id)))
    return {
        "call": call_dict(found.call),
        "eligible": found.eligible,
        "why": found.why.in_both() if found.why is not None else None,
    }


@requires(services.EDIT)
def create_call(body: dict[str, Any]) -> dict[str, Any]:
    """Write a draft; nothing is public before it is published."""
    with writing() as unit:
        return call_dict(services.create(actor(), unit, body))


@requires(services.EDIT)
def change_call(body: dict[str, Any], public_id: uuid.UUID) -> dict[str, Any]:
    """Change a draft; what is published stays as it is."""
    with writing() as unit:
        found = services.find(actor(), unit, str(public_id))
        return call_dict(services.change(actor(), unit, found, body, body["version"]))


@requires(services.EDIT)
def count_call(public_id: uuid.UUID) -> dict[str, Any]:
    """Counts clause by clause before it is published, and what looks wrong."""
    found = services.tried(actor(), reading(), services.find(actor(), reading(), str(public_id)))
    return tried_dict(found)


@requires(services.EDIT)
def publish_call(body: dict[str, Any], public_id: uuid.UUID) -> dict[str, Any]:
    """Publish a draft; with `tell` a notice goes to exactly those who are eligible at this moment."""
    with writing() as unit:
        found = services.find(actor(), unit, str(public_id))
        address = url_for("notices-eligibility.call", public_id=found.public_id)
        services.publish(actor(), unit, found, tell=body["tell"], address=address)
        return call_dict(found)


@requires(services.EDIT)
def withdraw_call(public_id: uuid.UUID) -> dict[str, Any]:
    """Take a call back; it leaves every list."""
    with writing() as unit:
        found = services.find(actor(), unit, str(public_id))
        return call_dict(services.withdraw(actor(), unit, found))


def call_dict(one: Call) -> dict[str, Any]:
    """A call as programs get it."""
    same = ("kind", "title", "summary", "link", "region", "audience", "opens_at", "closes_at", "state")
    values = {name: getattr(one, name) for name in (*same, "counted", "version")}
    return values | {
        "id": one.public_id,
        "page": url_for("notices-eligibility.call", public_id=one.public_id),
    }


def tried_dict(found: Trial) -> dict[str, Any]:
    """A trial as programs get it."""
    return {
        "count": found.count,
        "of": found.of,
        "clauses": [clause_dict(c) for c in found.clauses],
        "warnings": [caution_dict(w) for w in found.warnings],
    }
