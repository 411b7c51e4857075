"""Audiences for programs: which attributes there are, how many meet an expression; one's own profile."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from keyun.access import requires
from keyun.api import ApiBlueprint, Whole, operation
from keyun.web.context import actor, reading, writing
from keyun_notices.audience.trial import Caution
from keyun_notices.audience.trial import Counted as Clause
from keyun_notices.people import services
from keyun_notices.people.schemas import FIRST_YEAR, TOPIC_LENGTH, TOPICS

CODE = validate.Regexp(r"^[0-9]{6}\Z", error="地区代码是六位数字。 (A region code has six digits.)")


class AudienceBody(Schema):
    """The audience as an expression, and one region to count in instead of all of one's own."""

    audience = fields.Dict(
        keys=fields.String(), required=True, metadata={"description": "人群条件 / the expression"}
    )
    region = fields.String(load_default=None, allow_none=True, validate=CODE)


class ClauseSchema(Schema):
    """One part of the expression, where it stands, what it asks for, and how many meet it by itself."""

    path = fields.String(required=True)
    depth = fields.Integer(required=True)
    kind = fields.String(required=True, metadata={"description": "all, any, not or test"})
    asks = fields.String(required=True)
    asks_en = fields.String(required=True)
    count = fields.Integer(required=True)


class CautionSchema(Schema):
    """Something that is probably not meant, and where."""

    code = fields.String(
        required=True, metadata={"description": "nobody, everybody, contradiction, always or retired"}
    )
    path = fields.String(required=True)
    text = fields.String(required=True)
    text_en = fields.String(required=True)


class SampledSchema(Schema):
    """One person of the sample, without a name."""

    id = fields.String(required=True)
    region = fields.String(required=True, allow_none=True)
    level = fields.Integer(required=True)


class CountSchema(Schema):
    """How many people an audience would reach now, of how many in these regions."""

    count = fields.Integer(required=True)
    of = fields.Integer(required=True)
    regions = fields.List(fields.String(), required=True)
    clauses = fields.List(fields.Nested(ClauseSchema), required=True)
    sample = fields.List(fields.Nested(SampledSchema), required=True)
    warnings = fields.List(fields.Nested(CautionSchema), required=True)


class ValueSchema(Schema):
    """A value that people have, and how many."""

    value = fields.Raw(required=True, metadata={"description": "文字或整数 / a text or a whole number"})
    title = fields.String(required=True)
    title_en = fields.String(required=True)
    count = fields.Integer(required=True)


class AttributeSchema(Schema):
    """What an audience can ask for."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    title_en = fields.String(required=True)
    kind = fields.String(required=True, metadata={"description": "code, number, region or set"})
    open = fields.Boolean(required=True, metadata={"description": "是否允许其他取值 / may there be others"})
    values = fields.List(fields.Nested(ValueSchema), required=True)


class AttributesSchema(Schema):
    """Every attribute."""

    items = fields.List(fields.Nested(AttributeSchema), required=True)


class ProfileBody(Schema):
    """What one says of oneself; what is left out is forgotten."""

    birth_year = Whole(load_default=None, allow_none=True, validate=validate.Range(FIRST_YEAR, 2100))
    title = Whole(load_default=None, allow_none=True, validate=validate.Range(1, 5))
    interests = fields.List(
        fields.String(validate=validate.Length(1, TOPIC_LENGTH)),
        load_default=list,
        validate=validate.Length(max=TOPICS),
    )


class OwnProfileSchema(Schema):
    """What one says of oneself."""

    birth_year = fields.Integer(required=True, allow_none=True)
    title = fields.Integer(required=True, allow_none=True)
    interests = fields.List(fields.String(), required=True)


def add(api: ApiBlueprint) -> None:
    """Hang the operations of audiences below ``/api/v1/notices``."""
    operation(
        api,
        "/audience/count",
        count,
        CountSchema,
        "试算人数 / Count an audience",
        body=AudienceBody,
        methods=("POST",),
    )
    operation(api, "/attributes", attributes, AttributesSchema, "可用的人群属性 / Attributes of people")
    operation(api, "/profile", own_profile, OwnProfileSchema, "我的资料 / One's own profile")
    operation(
        api,
        "/profile",
        save_own_profile,
        OwnProfileSchema,
        "修改我的资料 / Change one's own profile",
        body=ProfileBody,
        methods=("PUT",),
    )


@requires("notices.audience.count")
def count(body: dict[str, Any]) -> dict[str, Any]:
    """Counts clause by clause, a sample without names, and what looks wrong.

    Only people in the regions for which the key's owner may count.
    """
    return as_dict(services.count(actor(), reading(), body["audience"], body["region"]))


@requires("notices.audience.count")
def attributes() -> dict[str, Any]:
    """Each with the values that most people have, where the key's owner may count."""
    return {"items": [attribute_dict(d) for d in services.described(actor(), reading())]}


@requires("notices.profile.edit")
def own_profile() -> services.Said:
    """Birth year, rank of title and interests, as far as one stated them."""
    return services.profile(actor(), reading())


@requires("notices.profile.edit")
def save_own_profile(body: dict[str, Any]) -> services.Said:
    """Say all of it at once; no interests are kept for people under 14."""
    with writing() as unit:
        return services.save_profile(actor(), unit, body)


def as_dict(counted: services.Counted) -> dict[str, Any]:
    """A trial as programs get it."""
    found = counted.trial
    return {
        "count": found.count,
        "of": found.of,
        "regions": list(counted.regions),
        "clauses": [clause_dict(c) for c in found.clauses],
        "sample": [{"id": s.public_id, "region": s.region, "level": s.level} for s in counted.sample],
        "warnings": [caution_dict(w) for w in found.warnings],
    }


def clause_dict(clause: Clause) -> dict[str, Any]:
    """A clause with its count as programs get it."""
    return {
        "path": clause.path,
        "depth": clause.depth,
        "kind": clause.kind,
        "asks": clause.asks.zh,
        "asks_en": clause.asks.en,
        "count": clause.count,
    }


def caution_dict(caution: Caution) -> dict[str, Any]:
    """A warning as programs get it."""
    return {
        "code": caution.code,
        "path": caution.path,
        "text": caution.says.zh,
        "text_en": caution.says.en,
    }


def attribute_dict(described: services.Described) -> dict[str, Any]:
    """An attribute as programs get it."""
    a = described.attribute
    named = [(a.choice(v), size) for v, size in described.values]
    return {
        "name": a.name,
        "title": a.title,
        "title_en": a.title_en,
        "kind": a.kind,
        "open": a.open,
        "values": [
            {"value": c.value, "title": c.title, "title_en": c.title_en, "count": size} for c, size in named
        ],
    }
