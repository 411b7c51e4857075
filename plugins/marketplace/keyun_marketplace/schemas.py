"""What people may write into offers, needs, profiles and requests; also the columns of import files."""

from __future__ import annotations

from marshmallow import fields, validate

from keyun.content import MAX_BODY, MAX_SUMMARY, MAX_TITLE
from keyun.forms import Form, RegionCode, Text, Words

KINDS = ("service", "result", "equipment", "expertise", "idea")
STAGES = ("idea", "lab", "pilot", "product")
MAX_BUDGET = 100_000_000_000


class OfferSchema(Form):
    """An offer."""

    title = Text("标题", MAX_TITLE, least=2)
    summary = Text("摘要", MAX_SUMMARY)
    body = Text("详细说明", MAX_BODY, least=1)
    keywords = Words("关键词")
    discipline = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(max=60), metadata={"label": "领域"}
    )
    region = RegionCode(required=True)
    kind = fields.String(load_default="service", validate=validate.OneOf(KINDS), metadata={"label": "类型"})
    stage = fields.String(
        load_default="product", validate=validate.OneOf(STAGES), metadata={"label": "成熟度"}
    )
    terms = Text("合作方式", 120)


class NeedSchema(Form):
    """A need. One sentence and a region are enough; the rest makes the matches better."""

    title = Text("标题", MAX_TITLE, least=2)
    summary = Text("摘要", MAX_SUMMARY)
    body = Text("需求描述", MAX_BODY, least=1)
    keywords = Words("关键词")
    discipline = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(max=60), metadata={"label": "领域"}
    )
    region = RegionCode(required=True)
    budget = fields.Integer(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, MAX_BUDGET),
        metadata={"label": "预算（元）"},
    )
    deadline = fields.Date(load_default=None, allow_none=True, metadata={"label": "截止日期"})
    outcome = Text("验收标准", 1000)


class SentenceSchema(Form):
    """A need as it is first typed."""

    text = Text("需求", 2000, least=2)
    region = RegionCode(required=True)


class PersonSchema(Form):
    """What a worker shows so that needs find him."""

    discipline = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(max=60), metadata={"label": "领域"}
    )
    title = Text("职称或岗位", 60, least=1)
    keywords = Words("擅长")
    summary = Text("能帮什么忙", MAX_SUMMARY)
    findable = fields.Boolean(load_default=False, metadata={"label": "愿意被找到"})


class RequestSchema(Form):
    """Ask for help with a need."""

    kind = fields.String(required=True, validate=validate.OneOf(["offer", "person"]))
    target = fields.String(required=True, validate=validate.Length(36, 36))
    message = Text("留言", 500)


class AnswerSchema(Form):
    """Answer a request."""

    accept = fields.Boolean(required=True)
    reply = Text("回复", 500)
