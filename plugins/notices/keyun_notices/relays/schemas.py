"""What staff say about a relay, what a relay says about a notice, and what the API shows."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from keyun.api import Moment, PageArguments, Whole
from keyun.forms import Form, RegionCode, Text
from keyun_notices.contacts.schemas import CODE
from keyun_notices.relays.models import KINDS
from keyun_notices.relays.passing import MOST_PEOPLE

KIND_CODES = tuple(k.code for k in KINDS)
ADDRESS = re.compile(r"https?://[^\s/?#@]+(:\d{1,5})?(/[^\s#]*)?")


def _address(text: str) -> None:
    if text and not (ADDRESS.fullmatch(text) and text.isascii()):
        raise ValidationError("请填写 http:// 或 https:// 开头的网址。 (Not a web address.)")


class Count(fields.Integer):
    """A number of people; text from a form must be plain digits."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,9}", value):
            raise self.make_error("invalid", input=value)
        if isinstance(value, bool | float):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class RelaySchema(Form):
    """What staff say about a relay."""

    kind = fields.String(required=True, validate=validate.OneOf(KIND_CODES), metadata={"label": "类型"})
    name = Text("名称", 80, least=2)
    region = RegionCode(required=True)
    manager = Text("负责人用户名", 60)
    webhook = fields.String(
        load_default="", validate=[validate.Length(max=500), _address], metadata={"label": "推送地址"}
    )
    headcount = Count(
        load_default=0, validate=validate.Range(0, MOST_PEOPLE), metadata={"label": "大约能传到多少人"}
    )
    note = Text("备注", 300)


class PassedSchema(Form):
    """What a relay says about a notice; without ``at`` it was passed on now."""

    headcount = Count(
        required=True, validate=validate.Range(0, MOST_PEOPLE), metadata={"label": "大约多少人听到或看到"}
    )
    at = Moment(load_default=None, allow_none=True, metadata={"label": "转达时间"})


class RelayArguments(PageArguments):
    """Which relays."""

    limit = Whole(load_default=20, validate=validate.Range(1, 100))
    region = fields.String(
        load_default=None, validate=CODE, metadata={"description": "含下级 / with all below"}
    )


class RelayItemSchema(Schema):
    """One relay as staff see it."""

    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    name = fields.String(required=True)
    region = fields.String(required=True)
    region_name = fields.String(required=True)
    headcount = fields.Integer(required=True, strict=True)
    active = fields.Boolean(required=True)
    webhook = fields.Boolean(required=True, metadata={"description": "是否推送 / whether it is told"})


class RelayKeySchema(RelayItemSchema):
    """A relay with its new key, which is shown this once."""

    key = fields.String(required=True)
    link = fields.String(required=True)


class RelayPageSchema(Schema):
    """A page of relays, newest first."""

    items = fields.List(fields.Nested(RelayItemSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class SaidSchema(Schema):
    """What a relay said last about a notice."""

    headcount = fields.Integer(required=True, strict=True)
    at = Moment(required=True)
    revision = fields.Integer(required=True, strict=True)


class TaskSchema(Schema):
    """A notice to pass on, and what was said about it."""

    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    topic = fields.String(required=True)
    life = fields.Boolean(required=True)
    title = fields.String(required=True)
    body = fields.String(required=True, metadata={"description": "Markdown"})
    text = fields.String(required=True, metadata={"description": "朗读用的文字 / plain text to read out"})
    link = fields.String(required=True, allow_none=True)
    starts_at = Moment(required=True)
    expires_at = Moment(required=True, allow_none=True)
    passed = fields.Nested(SaidSchema, required=True, allow_none=True)


class TasksSchema(Schema):
    """What a relay is to pass on now, newest first."""

    items = fields.List(fields.Nested(TaskSchema), required=True)
