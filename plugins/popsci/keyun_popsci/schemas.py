"""What an editor writes, what a file holds, and what the API shows."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from keyun.api import ItemDetailSchema, ItemSchema, PageArguments
from keyun.content import MAX_BODY, MAX_SUMMARY, MAX_TITLE
from keyun.forms import Form, RegionCode, Text
from keyun_popsci.models import CATEGORIES

CODES = tuple(c.code for c in CATEGORIES)


class ArticleSchema(Form):
    """An article; source and voucher may wait until it is published."""

    title = Text("标题", MAX_TITLE, least=2)
    summary = Text("摘要", MAX_SUMMARY)
    body = Text("正文", MAX_BODY, least=1)
    category = fields.String(required=True, validate=validate.OneOf(CODES), metadata={"label": "分类"})
    source = Text("来源", 200)
    voucher = Text("审定者", 120)
    region = RegionCode(required=True)


class ArticleRow(ArticleSchema):
    """One row of an articles file."""

    external_id = fields.String(
        required=True, validate=validate.Length(1, 120), metadata={"label": "外部编号"}
    )


class ArticleArguments(PageArguments):
    """Which articles."""

    category = fields.String(load_default=None, validate=validate.OneOf(CODES))


class ArticleItemSchema(ItemSchema):
    """One article in a list."""

    category = fields.String(required=True)
    source = fields.String(required=True)


class ArticleDetailSchema(ItemDetailSchema):
    """One article with its text (Markdown)."""

    category = fields.String(required=True)
    source = fields.String(required=True)


class ArticlePageSchema(Schema):
    """A page of articles, newest first."""

    items = fields.List(fields.Nested(ArticleItemSchema), required=True)
    next = fields.String(required=True, allow_none=True)
