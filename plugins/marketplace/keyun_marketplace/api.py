"""Offers, needs and their matches for programs."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from marshmallow import RAISE, Schema, fields, validate
from sqlalchemy.orm import joinedload

from keyun.access import public, requires
from keyun.api import (
    ApiBlueprint,
    ItemDetailSchema,
    ItemSchema,
    PageArguments,
    Whole,
    item,
    narrowed,
    operation,
    page,
)
from keyun.content import Content, find, published
from keyun.regions import subtree
from keyun.web.context import actor, opened, reading, writing
from keyun_marketplace import services
from keyun_marketplace.matchmaking import Matched, match_item, match_text
from keyun_marketplace.models import NEED, OFFER, Need, Offer
from keyun_marketplace.scoring import Found

ADDED = "插件添加的字段，见 Extensions / fields that plugins add, see Extensions"
CODE = validate.Regexp(r"^[0-9]{6}\Z", error="地区代码是六位数字。 (A region code has six digits.)")


class OfferFields(Schema):
    """What an offer adds to an item."""

    keywords = fields.List(fields.String(), required=True)
    discipline = fields.String(required=True, allow_none=True)
    kind = fields.String(required=True)
    stage = fields.String(required=True)
    terms = fields.String(required=True)


class NeedFields(Schema):
    """What a need adds to an item."""

    keywords = fields.List(fields.String(), required=True)
    discipline = fields.String(required=True, allow_none=True)
    budget = fields.Integer(required=True, allow_none=True)
    deadline = fields.Date(required=True, allow_none=True)
    outcome = fields.String(required=True)


class OfferItemSchema(ItemSchema, OfferFields):
    """One offer in a list."""


class OfferDetailSchema(ItemDetailSchema, OfferFields):
    """One offer with its text (Markdown)."""


class NeedItemSchema(ItemSchema, NeedFields):
    """One need in a list."""


class NeedDetailSchema(ItemDetailSchema, NeedFields):
    """One need with its text (Markdown)."""


class OfferPageSchema(Schema):
    """A page of offers, newest first."""

    items = fields.List(fields.Nested(OfferItemSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class NeedPageSchema(Schema):
    """A page of needs, newest first."""

    items = fields.List(fields.Nested(NeedItemSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class ListArguments(PageArguments):
    """Which offers or needs."""

    region = fields.String(load_default=None, validate=CODE)
    discipline = fields.String(load_default=None, validate=validate.Length(1, 60))


class PartSchema(Schema):
    """One reason of a match and what it adds to the score."""

    name = fields.String(required=True)
    value = fields.Float(required=True)
    why = fields.String(required=True)


class FoundSchema(Schema):
    """One match; of a person nothing that tells who it is."""

    kind = fields.String(required=True, metadata={"description": "offer, person or need"})
    id = fields.String(required=True)
    title = fields.String(required=True)
    organization = fields.String(required=True, allow_none=True)
    region = fields.String(required=True, allow_none=True)
    discipline = fields.String(required=True, allow_none=True)
    score = fields.Float(required=True)
    parts = fields.List(fields.Nested(PartSchema), required=True)


class MatchedSchema(Schema):
    """Matches, best first; ``reason`` says why there are none."""

    reason = fields.String(required=True)
    matches = fields.List(fields.Nested(FoundSchema), required=True)


class SentenceBody(Schema):
    """A need in one sentence."""

    class Meta:
        unknown = RAISE

    text = fields.String(required=True, validate=validate.Length(2, 2000))
    region = fields.String(required=True, validate=CODE)
    extensions = fields.Dict(keys=fields.String(), load_default=dict, metadata={"description": ADDED})


class MatchBody(Schema):
    """A sentence that is matched without posting it."""

    class Meta:
        unknown = RAISE

    text = fields.String(required=True, validate=validate.Length(2, 2000))
    region = fields.String(load_default=None, allow_none=True, validate=CODE)
    top = Whole(load_default=10, validate=validate.Range(1, 50))


def blueprint(name: str) -> ApiBlueprint:
    """``/api/v1/marketplace``."""
    api = ApiBlueprint(name, __name__, description="供需市场 / Marketplace")
    operation(api, "/offers", offers, OfferPageSchema, "科技所能 / Offers", query=ListArguments, lists=OFFER)
    operation(api, "/needs", needs, NeedPageSchema, "科技所需 / Needs", query=ListArguments, lists=NEED)
    said = "发布需求 / Post a need"
    operation(
        api, "/needs", post_need, NeedDetailSchema, said, body=SentenceBody, methods=["POST"], status=201
    )
    operation(api, "/offers/<uuid:public_id>", offer, OfferDetailSchema, "一项科技所能 / One offer")
    operation(api, "/needs/<uuid:public_id>", need, NeedDetailSchema, "一条需求 / One need")
    operation(
        api, "/needs/<uuid:public_id>/matches", need_matches, MatchedSchema, "需求的匹配 / What fits a need"
    )
    operation(
        api,
        "/offers/<uuid:public_id>/matches",
        offer_matches,
        MatchedSchema,
        "科技所能的匹配 / What an offer fits",
    )
    operation(
        api,
        "/match",
        match,
        MatchedSchema,
        "试匹配一句话 / Match a sentence",
        body=MatchBody,
        methods=["POST"],
    )
    return api


@public
def offers(query: dict[str, Any]) -> dict[str, Any]:
    """Published offers, newest first, of one field and region or all."""
    found = _page(Offer, OFFER, query)
    return {"items": [_offer(o) for o in found.items], "next": found.next}


@public
def needs(query: dict[str, Any]) -> dict[str, Any]:
    """Published needs, newest first, of one field and region or all."""
    found = _page(Need, NEED, query)
    return {"items": [_need(n) for n in found.items], "next": found.next}


@public
def offer(public_id: uuid.UUID) -> dict[str, Any]:
    """One offer with its text."""
    found = find(actor(), reading(), Offer, str(public_id))
    opened(found)
    return _offer(found) | {"body": found.body}


@public
def need(public_id: uuid.UUID) -> dict[str, Any]:
    """One need with its text."""
    found = find(actor(), reading(), Need, str(public_id))
    opened(found)
    return _need(found) | {"body": found.body}


@requires("marketplace.need.create")
def post_need(body: dict[str, Any]) -> dict[str, Any]:
    """Publish a need from one sentence and a region; ask for its matches right after."""
    with writing() as unit:
        made = services.post_sentence(actor(), unit, body.pop("extensions") | body)
        return _need(made) | {"body": made.body}


@public
def need_matches(public_id: uuid.UUID) -> dict[str, Any]:
    """The offers and people that fit a published need, and why; the parts add up to the score."""
    found = find(actor(), reading(), Need, str(public_id))
    return _matched(match_item(actor(), reading(), found))


@public
def offer_matches(public_id: uuid.UUID) -> dict[str, Any]:
    """The needs that a published offer fits, and why."""
    found = find(actor(), reading(), Offer, str(public_id))
    return _matched(match_item(actor(), reading(), found))


@public
def match(body: dict[str, Any]) -> dict[str, Any]:
    """Match a sentence without posting or storing it."""
    return _matched(match_text(actor(), reading(), body["text"], body["region"], body["top"]))


def _page(model: Any, kind: str, query: dict[str, Any]) -> Any:
    unit = reading()
    public = (Content.type == kind, published(unit.now), *narrowed(kind))
    wanted = sa.select(model).where(*public).options(joinedload(model.organization))
    if query["region"]:
        wanted = wanted.where(model.region.between(*subtree(query["region"])))
    if query["discipline"]:
        wanted = wanted.where(model.discipline == query["discipline"])
    keys = (Content.published_at, Content.id)
    return page(unit.session, wanted, keys, after=query["after"], limit=query["limit"])


def _offer(found: Offer) -> dict[str, Any]:
    names = ("keywords", "discipline", "kind", "stage", "terms")
    return item(found) | {n: getattr(found, n) for n in names}


def _need(found: Need) -> dict[str, Any]:
    names = ("keywords", "discipline", "budget", "deadline", "outcome")
    return item(found) | {n: getattr(found, n) for n in names}


def _matched(matched: Matched) -> dict[str, Any]:
    return {"reason": matched.reason, "matches": [_found(f) for f in matched.ranked]}


def _found(found: Found) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "id": found.public_id,
        "title": found.title,
        "organization": found.owner or None,
        "region": found.region,
        "discipline": found.discipline,
        "score": found.score,
        "parts": [{"name": p.name, "value": p.value, "why": p.why("zh")} for p in found.parts],
    }
