"""What people write, what a file holds, and what the API shows."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from keyun.api import ItemDetailSchema, ItemSchema, PageArguments
from keyun.content import MAX_BODY, MAX_SUMMARY, MAX_TITLE
from keyun.forms import Form, RegionCode, Text
from keyun_bookshelf.models import CATEGORIES, LEVELS

LEVEL_CODES = tuple(c.code for c in LEVELS)
CATEGORY_CODES = tuple(c.code for c in CATEGORIES)


class ArticleSchema(Form):
    """An article.

    It keeps every field of the plugin it replaces, so that nothing is missing when that one comes back;
    ``level`` is new and has a default, so that older articles have one.
    """

    title = Text("标题", MAX_TITLE, least=2)
    summary = Text("摘要", MAX_SUMMARY)
    body = Text("正文", MAX_BODY, least=1)
    level = fields.String(
        load_default="medium", validate=validate.OneOf(LEVEL_CODES), metadata={"label": "阅读难度"}
    )
    category = fields.String(
        required=True, validate=validate.OneOf(CATEGORY_CODES), metadata={"label": "分类"}
    )
    source = Text("来源", 200)
    voucher = Text("审定者", 120)
    region = RegionCode(required=True)


class ArticleRow(ArticleSchema):
    """One row of an articles file."""

    external_id = Text("外部编号", 120, least=1)


class ArticleArguments(PageArguments):
    """Which articles."""

    level = fields.String(load_default=None, validate=validate.OneOf(LEVEL_CODES))


class ArticleItemSchema(ItemSchema):
    """One article in a list."""

    level = fields.String(required=True)
    category = fields.String(required=True)
    source = fields.String(required=True)


class ArticleDetailSchema(ItemDetailSchema):
    """One article with its text (Markdown)."""

    level = fields.String(required=True)
    category = fields.String(required=True)
    source = fields.String(required=True)


class ArticlePageSchema(Schema):
    """A page of articles, newest first."""

    items = fields.List(fields.Nested(ArticleItemSchema), required=True)
    next = fields.String(required=True, allow_none=True)
