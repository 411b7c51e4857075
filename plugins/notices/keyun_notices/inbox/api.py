"""The inbox for programs."""

from __future__ import annotations

import uuid
from typing import Any

from flask import url_for
from marshmallow import Schema, fields

from keyun.access import requires
from keyun.api import ApiBlueprint, PageArguments, operation
from keyun.web.context import actor, reading, writing
from keyun_notices.inbox import services
from keyun_notices.inbox.services import Item, Opened
from keyun_notices.publishing.models import Notice

READ = services.READ


class InboxArguments(PageArguments):
    """Which part of the inbox."""

    personal = fields.Boolean(
        load_default=True,
        metadata={"description": "false：只看按地区发布的 / false: only what was chosen by region"},
    )


class InboxItemSchema(Schema):
    """One notice in an inbox."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    kind = fields.String(required=True, metadata={"description": "notice, update or cancel"})
    topic = fields.String(required=True)
    life = fields.Boolean(required=True)
    published_at = fields.AwareDateTime(required=True)
    expires_at = fields.AwareDateTime(required=True, allow_none=True)
    addressed = fields.Boolean(
        required=True, metadata={"description": "发布时即在名单内 / addressed when it was published"}
    )
    opened_at = fields.AwareDateTime(required=True, allow_none=True)
    acted_at = fields.AwareDateTime(required=True, allow_none=True)


class InboxPageSchema(Schema):
    """A page of the inbox, newest first, and how many notices are not opened (up to 100)."""

    items = fields.List(fields.Nested(InboxItemSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    unread = fields.Integer(required=True)


class ThreadItemSchema(Schema):
    """Another message of the thread that was addressed to the reader."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    kind = fields.String(required=True)
    state = fields.String(required=True)
    published_at = fields.AwareDateTime(required=True)


class ReadFileSchema(Schema):
    """A file of a notice; ``address`` answers to the same key."""

    name = fields.String(required=True)
    content_type = fields.String(required=True)
    size = fields.Integer(required=True)
    sha256 = fields.String(required=True)
    address = fields.String(required=True)


class OpenedSchema(InboxItemSchema):
    """One notice with its text, why the reader gets it, its files and its thread."""

    state = fields.String(required=True)
    body = fields.String(required=True)
    link = fields.String(required=True, allow_none=True)
    active = fields.Boolean(required=True, metadata={"description": "仍在收件箱 / stands in the inbox"})
    why = fields.Dict(required=True, allow_none=True, metadata={"description": "逐条说明 / clause by clause"})
    attachments = fields.List(fields.Nested(ReadFileSchema), required=True)
    thread = fields.List(fields.Nested(ThreadItemSchema), required=True)


def add(api: ApiBlueprint) -> None:
    """Hang the operations of readers below ``/api/v1/notices``."""
    operation(api, "/inbox", inbox, InboxPageSchema, "收件箱 / Inbox", query=InboxArguments)
    operation(api, "/inbox/<uuid:public_id>", look, OpenedSchema, "一条通知 / One notice")
    said = "记下已读 / Note that it was opened"
    operation(api, "/inbox/<uuid:public_id>/open", opened, OpenedSchema, said, methods=["POST"])
    said = "记下已办结 / Note that it was acted on"
    operation(api, "/inbox/<uuid:public_id>/acted", acted, OpenedSchema, said, methods=["POST"])


@requires(READ)
def inbox(query: dict[str, Any]) -> dict[str, Any]:
    """What is active for the caller now; leaves no receipt."""
    found = services.inbox(actor(), reading(), query["after"], query["limit"], personal=query["personal"])
    unread = services.unread(actor(), reading())
    return {"items": [_item(i) for i in found.items], "next": found.next, "unread": unread}


@requires(READ)
def look(public_id: uuid.UUID) -> dict[str, Any]:
    """One notice of the caller, active or not any more; leaves no receipt."""
    return _opened(services.look(actor(), reading(), str(public_id)))


@requires(READ)
def opened(public_id: uuid.UUID) -> dict[str, Any]:
    """Note that the caller has opened it; the first moment stays."""
    with writing() as unit:
        return _opened(services.open_(actor(), unit, str(public_id)))


@requires(READ)
def acted(public_id: uuid.UUID) -> dict[str, Any]:
    """Note that the caller did what it asks for; the first moment stays."""
    with writing() as unit:
        return _opened(services.acted(actor(), unit, str(public_id)))


def _notice(notice: Notice) -> dict[str, Any]:
    names = ("title", "kind", "topic", "life", "published_at", "expires_at")
    return {"id": notice.public_id, **{n: getattr(notice, n) for n in names}}


def _item(item: Item) -> dict[str, Any]:
    return _notice(item.notice) | {
        "addressed": item.addressed,
        "opened_at": item.opened_at,
        "acted_at": item.acted_at,
    }


def _opened(found: Opened) -> dict[str, Any]:
    notice, receipt = found.notice, found.receipt
    return _notice(notice) | {
        "addressed": found.membership.addressed,
        "active": found.membership.active,
        "opened_at": receipt.opened_at if receipt else None,
        "acted_at": receipt.acted_at if receipt else None,
        "state": notice.state,
        "body": notice.body,
        "link": notice.link,
        "why": found.why.as_dict() if found.why else None,
        "attachments": [
            {
                "name": f.name,
                "content_type": f.content_type,
                "size": f.size,
                "sha256": f.digest,
                "address": url_for("notices.file", public_id=notice.public_id, file_id=f.public_id),
            }
            for f in found.attachments
        ],
        "thread": [
            {"id": n.public_id, **{k: getattr(n, k) for k in ("title", "kind", "state", "published_at")}}
            for n in found.thread
        ],
    }
