"""What an editor writes, what a file holds, and what the API shows."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from keyun.api import ItemDetailSchema, ItemSchema, PageArguments
from keyun.content import MAX_BODY, MAX_SUMMARY, MAX_TITLE
from keyun.forms import Form, RegionCode, Text
from keyun_emergency.models import HAZARDS

CODES = tuple(h.code for h in HAZARDS)


class ResourceSchema(Form):
    """A resource; source and voucher may wait until it is published."""

    title = Text("标题", MAX_TITLE, least=2)
    summary = Text("摘要", MAX_SUMMARY)
    body = Text("正文", MAX_BODY, least=1)
    hazard = fields.String(required=True, validate=validate.OneOf(CODES), metadata={"label": "灾种"})
    source = Text("来源", 200)
    voucher = Text("审定者", 120)
    region = RegionCode(required=True)


class ResourceRow(ResourceSchema):
    """One row of a resources file."""

    external_id = fields.String(
        required=True, validate=validate.Length(1, 120), metadata={"label": "外部编号"}
    )


class ResourceArguments(PageArguments):
    """Which resources."""

    hazard = fields.String(load_default=None, validate=validate.OneOf(CODES))


class ResourceItemSchema(ItemSchema):
    """One resource in a list."""

    hazard = fields.String(required=True)
    source = fields.String(required=True)


class ResourceDetailSchema(ItemDetailSchema):
    """One resource with its text (Markdown)."""

    hazard = fields.String(required=True)
    source = fields.String(required=True)
    notice = fields.String(required=True, metadata={"description": "不是预警 / not a warning"})


class ResourcePageSchema(Schema):
    """A page of resources, newest first."""

    notice = fields.String(required=True, metadata={"description": "不是预警 / not a warning"})
    items = fields.List(fields.Nested(ResourceItemSchema), required=True)
    next = fields.String(required=True, allow_none=True)
