"""What the API shows. Written by hand: a new column is public only when somebody adds it here."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from keyun.api.fields import Added, Moment, Whole
from keyun.api.paging import PageArguments

MAX_PAGE = 50
CODE = validate.Regexp(
    r"^[0-9]{6}\Z", error="地区代码是六位数字，如 511402。 (A region code has six digits.)"
)


class PlaceSchema(Schema):
    """One administrative division."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    level = fields.String(required=True, metadata={"description": "country, province, city, county"})
    kind = fields.String(required=True, metadata={"description": "official, zone, pseudo, retired"})
    parent = fields.String(required=True, allow_none=True)


class RegionSchema(Schema):
    """What a code means on a day."""

    place = fields.Nested(PlaceSchema, required=True)
    path = fields.List(
        fields.Nested(PlaceSchema),
        required=True,
        metadata={"description": "从省到本级 / from the province down"},
    )
    full_name = fields.String(required=True)
    note = fields.String(
        required=True, metadata={"description": "与所问代码不同时说明原因 / why the place has another code"}
    )


class PlacesSchema(Schema):
    """Divisions right below another one."""

    items = fields.List(fields.Nested(PlaceSchema), required=True)


class RegionArguments(Schema):
    """On which day the code is meant."""

    on = fields.Date(load_default=None, metadata={"description": "日期，默认今天 / day, today if left out"})


class TypeSchema(Schema):
    """A content type of an enabled plugin."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    title_en = fields.String(required=True)
    plugin = fields.String(required=True)
    searchable = fields.Boolean(required=True)


class TypesSchema(Schema):
    """The content types that are loaded."""

    items = fields.List(fields.Nested(TypeSchema), required=True)


class ItemSchema(Schema):
    """One item in a list; its owner appears as an organization or not at all."""

    id = fields.UUID(required=True)
    type = fields.String(required=True)
    title = fields.String(required=True)
    summary = fields.String(required=True)
    language = fields.String(required=True)
    region = fields.String(required=True, allow_none=True)
    region_name = fields.String(required=True)
    organization = fields.String(required=True, allow_none=True)
    voucher = fields.String(required=True, metadata={"description": "内容依据与审定者 / who vouches for it"})
    state = fields.String(required=True)
    version = fields.Integer(required=True, strict=True)
    published_at = Moment(required=True, allow_none=True)
    changed_at = Moment(required=True)
    expires_at = Moment(required=True, allow_none=True)
    page = fields.String(required=True, metadata={"description": "网页地址 / address of its page"})
    extensions = Added()


class ItemDetailSchema(ItemSchema):
    """One item with its text (Markdown)."""

    body = fields.String(required=True)


class ItemPageSchema(Schema):
    """A page of items, newest first."""

    items = fields.List(fields.Nested(ItemSchema), required=True)
    next = fields.String(
        required=True, allow_none=True, metadata={"description": "下一页的 after / `after` of the next page"}
    )


class ItemArguments(PageArguments):
    """Which items."""

    type = fields.String(
        load_default=None, validate=validate.Length(1, 60), metadata={"description": "见 /types / see /types"}
    )
    region = fields.String(
        load_default=None, validate=CODE, metadata={"description": "含下级 / with all below"}
    )


class RunSchema(Schema):
    """A piece of text and whether it matched."""

    text = fields.String(required=True)
    match = fields.Boolean(required=True)


class HitSchema(Schema):
    """One result."""

    score = fields.Float(required=True)
    title = fields.List(fields.Nested(RunSchema), required=True)
    snippet = fields.List(fields.Nested(RunSchema), required=True)
    item = fields.Nested(ItemSchema, required=True)


class FoundSchema(Schema):
    """A page of results, best first."""

    items = fields.List(fields.Nested(HitSchema), required=True)
    total = fields.Integer(required=True, strict=True)
    dropped = fields.List(
        fields.String(), required=True, metadata={"description": "未用的词 / words left out"}
    )
    next_page = fields.Integer(required=True, strict=True, allow_none=True)


class SearchArguments(Schema):
    """What is asked."""

    q = fields.String(required=True, validate=validate.Length(1, 200))
    type = fields.String(load_default=None, validate=validate.Length(1, 60))
    region = fields.String(load_default=None, validate=CODE)
    page = Whole(load_default=1, validate=validate.Range(1, MAX_PAGE))
    limit = Whole(load_default=20, validate=validate.Range(1, 50))


class RoleSchema(Schema):
    """A role and the region it reaches."""

    role = fields.String(required=True)
    region = fields.String(required=True)


class OrganizationSchema(Schema):
    """An organization the account acts for."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)


class MeSchema(Schema):
    """What the holder of the key or cookie may do; nothing that names the person."""

    id = fields.UUID(required=True)
    level = fields.Integer(
        required=True, strict=True, metadata={"description": "认证等级 0 … 3 / verification level"}
    )
    region = fields.String(required=True, allow_none=True)
    roles = fields.List(fields.Nested(RoleSchema), required=True)
    organizations = fields.List(fields.Nested(OrganizationSchema), required=True)
