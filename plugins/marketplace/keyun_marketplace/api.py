"""The API of the marketplace: offers, needs, and what matches."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, fields, validate
from sqlalchemy.orm import joinedload

from keyun.access import public, requires
from keyun.api.core import ContentOut
from keyun.api.paging import ContentPage, PageArgs, page
from keyun.content import find, published
from keyun.regions import subtree
from keyun.web.context import actor, reading, writing
from keyun_marketplace import services
from keyun_marketplace.matchmaking import Matched, match_item, match_text
from keyun_marketplace.models import Need, Offer


class OfferOut(ContentOut):
    """A published offer."""

    keywords = fields.List(fields.String())
    discipline = fields.String(allow_none=True)
    kind = fields.String()
    stage = fields.String()
    terms = fields.String()


class NeedOut(ContentOut):
    """A published need."""

    keywords = fields.List(fields.String())
    discipline = fields.String(allow_none=True)
    budget = fields.Integer(allow_none=True)
    deadline = fields.Date(allow_none=True)
    outcome = fields.String()


class OfferPage(Schema):
    """A page of offers."""

    items = fields.List(fields.Nested(OfferOut))
    next = fields.String(allow_none=True)


class NeedPage(Schema):
    """A page of needs."""

    items = fields.List(fields.Nested(NeedOut))
    next = fields.String(allow_none=True)


class ListArgs(PageArgs):
    """Filters of a list."""

    region = fields.String(load_default=None, validate=validate.Regexp(r"^\d{6}$"))
    discipline = fields.String(load_default=None, validate=validate.Length(max=60))


class PartOut(Schema):
    """One reason of a match and what it adds to the score."""

    name = fields.String()
    value = fields.Float()
    why = fields.Function(lambda part: part.why("zh"))


class FoundOut(Schema):
    """One match; of a person nothing that tells who it is."""

    kind = fields.String()
    id = fields.String(attribute="public_id")
    title = fields.String()
    organization = fields.String(attribute="owner")
    region = fields.String(allow_none=True)
    discipline = fields.String(allow_none=True)
    score = fields.Float()
    parts = fields.List(fields.Nested(PartOut))


class MatchedOut(Schema):
    """Matches, best first; ``reason`` says why there are none."""

    reason = fields.String()
    matches = fields.List(fields.Nested(FoundOut), attribute="ranked")


class SentenceIn(Schema):
    """A need in one sentence."""

    class Meta:
        unknown = RAISE

    text = fields.String(required=True, validate=validate.Length(2, 2000))
    region = fields.String(required=True, validate=validate.Regexp(r"^\d{6}$"))


class MatchIn(SentenceIn):
    """A sentence that is matched without posting it."""

    region = fields.String(load_default=None, allow_none=True, validate=validate.Regexp(r"^\d{6}$"))
    top = fields.Integer(load_default=10, strict=True, validate=validate.Range(1, 50))


def blueprint(name: str) -> Blueprint:
    """The endpoints, mounted below ``/api/v1/<slot>``."""
    api = Blueprint(name, __name__, description="marketplace")
    listing = api.arguments(ListArgs, location="query")
    api.route("/offers")(public(listing(api.response(200, OfferPage)(offers))))
    api.route("/needs", methods=["GET"])(public(listing(api.response(200, NeedPage)(needs))))
    api.route("/needs", methods=["POST"], endpoint="post_need")(
        requires("marketplace.need.create")(api.arguments(SentenceIn)(api.response(201, NeedOut)(post_need)))
    )
    api.route("/offers/<public_id>")(public(api.response(200, OfferOut)(offer)))
    api.route("/needs/<public_id>")(public(api.response(200, NeedOut)(need)))
    api.route("/needs/<public_id>/matches")(public(api.response(200, MatchedOut)(need_matches)))
    api.route("/offers/<public_id>/matches")(public(api.response(200, MatchedOut)(offer_matches)))
    api.route("/match", methods=["POST"])(public(api.arguments(MatchIn)(api.response(200, MatchedOut)(match))))
    return api


def _list(model: Any, args: dict[str, Any]) -> ContentPage:
    unit = reading()
    query = sa.select(model).where(published(unit.now)).options(joinedload(model.organization))
    if args["region"]:
        query = query.where(model.region.between(*subtree(args["region"])))
    if args["discipline"]:
        query = query.where(model.discipline == args["discipline"])
    return page(unit.session, query, model, args["limit"], args["after"])


def offers(args: dict[str, Any]) -> ContentPage:
    """Published offers, newest first."""
    return _list(Offer, args)


def needs(args: dict[str, Any]) -> ContentPage:
    """Published needs, newest first."""
    return _list(Need, args)


def offer(public_id: str) -> Offer:
    """One offer."""
    return find(actor(), reading(), Offer, public_id)


def need(public_id: str) -> Need:
    """One need."""
    return find(actor(), reading(), Need, public_id)


def need_matches(public_id: str) -> Matched:
    """The offers and people that fit a need, and why."""
    return match_item(actor(), reading(), find(actor(), reading(), Need, public_id))


def offer_matches(public_id: str) -> Matched:
    """The needs that an offer fits, and why."""
    return match_item(actor(), reading(), find(actor(), reading(), Offer, public_id))


def post_need(data: dict[str, Any]) -> Need:
    """Publish a need from one sentence and a region."""
    with writing() as unit:
        return services.post_sentence(actor(), unit, data)


def match(data: dict[str, Any]) -> Matched:
    """Match a sentence without posting it."""
    return match_text(actor(), reading(), data["text"], data["region"], data["top"])


