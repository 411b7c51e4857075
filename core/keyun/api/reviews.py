"""Reviews for programs: the queue, one review, and everything that can be done with it."""

from __future__ import annotations

import uuid
from typing import Any

from keyun.access import public, requires
from keyun.accounts.models import User
from keyun.api.operations import ApiBlueprint, operation
from keyun.api.values import item as shown
from keyun.content.models import Content
from keyun.errors import Invalid, Unauthenticated
from keyun.forms import storable
from keyun.reviews import schemas, services
from keyun.reviews.decisions import decide, reopen
from keyun.reviews.models import Review
from keyun.reviews.queue import Wanted, own, queue
from keyun.reviews.rights import REVIEW
from keyun.web.context import actor, reading, site, writing


def blueprint() -> ApiBlueprint:
    """``/api/v1/reviews``."""
    api = ApiBlueprint("reviews-api", __name__, description="审核 / Reviews")
    one, detail = "/reviews/<uuid:public_id>", schemas.ReviewDetailSchema
    operation(
        api,
        "/reviews",
        reviews,
        schemas.ReviewPageSchema,
        "待审队列 / What waits",
        query=schemas.QueueArguments,
    )
    operation(api, one, review, detail, "一次审核 / One review")
    for path, view, body, title in (
        ("decisions", decision, schemas.DecisionSchema, "作决定 / Decide"),
        ("comments", remark, schemas.WordsSchema, "留言 / Say something"),
        ("claim", claim, schemas.ClaimSchema, "认领 / Claim"),
        ("reopen", again, schemas.ReasonSchema, "重新审核 / Review again"),
    ):
        operation(api, f"{one}/{path}", view, detail, title, body=body, methods=("POST",))
    operation(api, f"{one}/give-back", give_back, detail, "放回 / Give back", methods=("POST",))
    return api


@public
def reviews(query: dict[str, Any]) -> dict[str, Any]:
    """What waits in one's regions, the nearest deadline first; or the reviews of one's own submissions."""
    _only_users()
    after, limit = query["after"], query["limit"]
    if query["scope"] == "own":
        found = own(actor(), reading(), after, limit)
    else:
        found = queue(actor(), reading(), _wanted(query), after, limit)
    return {"items": [_brief(e.review, e.item) for e in found.items], "next": found.next}


@public
def review(public_id: uuid.UUID) -> dict[str, Any]:
    """One review with the text as it stands; for its reviewers and its author."""
    _only_users()
    return _whole(public_id)


@requires(REVIEW)
def decision(body: dict[str, Any], public_id: uuid.UUID) -> dict[str, Any]:
    """Approve, ask for changes, or reject the version that was read; nobody judges his own text."""
    with writing() as unit:
        found, _item = services.find_review(actor(), unit, str(public_id))
        decide(actor(), unit, found, body["verdict"], storable(body["reason"]), body["version"])
    return _whole(public_id)


@public
def remark(body: dict[str, Any], public_id: uuid.UUID) -> dict[str, Any]:
    """Say something to the other side; it stays as it is."""
    _only_users()
    with writing() as unit:
        found, _item = services.find_review(actor(), unit, str(public_id))
        services.comment(actor(), unit, found, storable(body["text"]))
    return _whole(public_id)


@requires(REVIEW)
def claim(body: dict[str, Any], public_id: uuid.UUID) -> dict[str, Any]:
    """Take the review in hand, so that nobody else works on it."""
    with writing() as unit:
        found, _item = services.find_review(actor(), unit, str(public_id))
        services.claim(actor(), unit, found, take_over=body["take_over"])
    return _whole(public_id)


@requires(REVIEW)
def give_back(public_id: uuid.UUID) -> dict[str, Any]:
    """Let go of a review that one has claimed."""
    with writing() as unit:
        found, _item = services.find_review(actor(), unit, str(public_id))
        services.give_back(actor(), unit, found)
    return _whole(public_id)


@requires(REVIEW)
def again(body: dict[str, Any], public_id: uuid.UUID) -> dict[str, Any]:
    """Put a decided review to the question again; the item is not public meanwhile."""
    with writing() as unit:
        found, _item = services.find_review(actor(), unit, str(public_id))
        reopen(actor(), unit, found, storable(body["reason"]))
    return _whole(public_id)


def _only_users() -> None:
    if not actor().is_user:
        raise Unauthenticated("请带上密钥。 (Send a key: Authorization: Bearer …)")


def _wanted(query: dict[str, Any]) -> Wanted:
    kind = "" if query["type"] is None else site().content_type(query["type"]).name
    if query["region"] is not None and query["region"] not in site().regions:
        message = f"行政区划代码 {query['region']} 不存在。 (Unknown region code.)"
        raise Invalid(message, {"region": [message]})
    return Wanted(query["mine"], query["unclaimed"], query["overdue"], kind, query["region"] or "")


def _brief(found: Review, item: Content) -> dict[str, Any]:
    return {
        "id": found.public_id,
        "state": found.state,
        "version": item.version if found.state == "open" else found.version,
        "needed": found.needed,
        "approvals": found.approvals,
        "comments": found.comments,
        "claimed": _claimed(found),
        "opened_at": found.opened_at,
        "due_at": found.due_at,
        "overdue": found.state == "open" and found.due_at < reading().now,
        "item": shown(item),
    }


def _claimed(found: Review) -> str:
    if found.reviewer_id is None:
        return "nobody"
    if found.reviewer_id == actor().user_id:
        return "self"
    user = reading().session.get(User, found.reviewer_id)
    return "other" if user is not None and user.active else "nobody"


def _whole(public_id: uuid.UUID) -> dict[str, Any]:
    found, item = services.find_review(actor(), reading(), str(public_id))
    said = services.conversation(actor(), reading(), found, item)
    return _brief(found, item) | {
        "body": item.body,
        "checks": services.checks(actor(), reading(), found, item),
        "remarks": said,
    }
