"""Publish and cancel for programs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import RAISE, Schema

from keyun.access import requires
from keyun.api import ApiBlueprint, PageArguments, operation
from keyun.content import MAX_BODY
from keyun.forms import Text
from keyun.web.context import actor, reading, writing
from keyun_notices.publishing import services
from keyun_notices.publishing.draft import Kept
from keyun_notices.publishing.files import keep
from keyun_notices.publishing.listing import detailed, plain, sent_page
from keyun_notices.publishing.schemas import (
    DraftSchema,
    NoticeDetailSchema,
    NoticePageSchema,
    NoticeSchema,
    to_draft,
)


class CancelBody(Schema):
    """Why a notice is cancelled, as those read it who had been addressed."""

    class Meta:
        unknown = RAISE

    body = Text("说明", MAX_BODY)


def add(api: ApiBlueprint) -> None:
    """Hang the operations of senders below ``/api/v1/notices``."""
    said = "发布通知 / Publish a notice"
    operation(api, "/", publish, NoticeSchema, said, body=DraftSchema, methods=["POST"], status=201)
    operation(api, "/", sent, NoticePageSchema, "已发通知 / Notices sent", query=PageArguments)
    operation(api, "/<uuid:public_id>", one, NoticeDetailSchema, "一条已发通知 / One notice sent")
    said = "解除通知 / Cancel a notice"
    operation(
        api,
        "/<uuid:public_id>/cancel",
        cancel,
        NoticeSchema,
        said,
        body=CancelBody,
        methods=["POST"],
        status=201,
    )


@requires("notices.notice.send")
def publish(body: dict[str, Any]) -> dict[str, Any]:
    """Publish now, or at `starts_at`. The same key with the same content is the notice that is there (201);
    with another content it is a conflict (409), and nothing changes."""
    files = _kept(body["attachments"])
    with writing() as unit:
        return plain(services.publish(actor(), unit, to_draft(body, files)))


@requires("notices.notice.read")
def sent(query: dict[str, Any]) -> dict[str, Any]:
    """What was sent in the regions of the caller, and what he sent himself, newest first."""
    found = sent_page(actor(), reading(), query["after"], query["limit"])
    return {"items": [plain(n) for n in found.items], "next": found.next}


@requires("notices.notice.read")
def one(public_id: uuid.UUID) -> dict[str, Any]:
    """One notice with its text, conditions and counts."""
    return detailed(reading(), services.sent(actor(), reading(), str(public_id)))


@requires("notices.notice.send")
def cancel(body: dict[str, Any], public_id: uuid.UUID) -> dict[str, Any]:
    """End the thread of a notice; who had been addressed finds one note instead. The answer is the note."""
    with writing() as unit:
        notice = services.sent(actor(), unit, str(public_id))
        return plain(services.cancel(actor(), unit, notice, body=body["body"]))


def _kept(files: Sequence[Mapping[str, Any]]) -> list[Kept]:
    return [keep(actor(), reading(), f["name"], f["content"]) for f in files]
