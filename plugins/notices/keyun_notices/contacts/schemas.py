"""What staff write down about a consent, what a file holds, and what the API shows: never a whole number."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from keyun.api import Moment, PageArguments
from keyun.errors import Invalid
from keyun.forms import Form, RegionCode, Text
from keyun_notices.contacts.models import ACTIVE, WITHDRAWN
from keyun_notices.contacts.phones import MAX_TYPED, normalised

STATES = (ACTIVE, WITHDRAWN)
CODE = validate.Regexp(
    r"^[0-9]{6}\Z", error="地区代码是六位数字，如 511402。 (A region code has six digits.)"
)


class Phone(fields.String):
    """A mobile number, in any way people write it; its value is E.164."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        # A spreadsheet makes a number of it.
        text = str(value) if type(value) is int else super()._deserialize(value, attr, data, **more)
        try:
            return normalised(text)
        except Invalid as e:
            raise ValidationError(str(e)) from None


class ConsentSchema(Form):
    """A consent that somebody gave before a member of staff."""

    phone = Phone(required=True, validate=validate.Length(max=MAX_TYPED), metadata={"label": "手机号"})
    region = RegionCode(required=True)
    consented_on = fields.Date(required=True, metadata={"label": "同意日期"})
    evidence = Text("同意凭据", 500, least=2)


class ContactRow(ConsentSchema):
    """One row of a contacts file; a file without date and evidence of consent is refused."""


class JoinSchema(Form):
    """What a person types on the page."""

    phone = Phone(required=True, validate=validate.Length(max=MAX_TYPED), metadata={"label": "手机号"})
    region = RegionCode(required=True)
    agree = fields.Boolean(
        required=True,
        validate=validate.Equal(True, error="请勾选同意，不同意就不会登记。 (Tick the consent.)"),
        error_messages={"required": "请勾选同意，不同意就不会登记。 (Tick the consent.)"},
        metadata={"label": "同意"},
    )


class ContactArguments(PageArguments):
    """Which contacts."""

    region = fields.String(
        load_default=None, validate=CODE, metadata={"description": "含下级 / with all below"}
    )
    state = fields.String(load_default=None, validate=validate.OneOf(STATES))


class ContactSchema(Schema):
    """One contact as staff see it."""

    id = fields.UUID(required=True)
    phone = fields.String(required=True, metadata={"description": "遮去中间四位 / masked"})
    region = fields.String(required=True)
    region_name = fields.String(required=True)
    state = fields.String(required=True)
    consented_at = Moment(required=True)
    withdrawn_at = Moment(required=True, allow_none=True)


class ContactPageSchema(Schema):
    """A page of contacts, newest first."""

    items = fields.List(fields.Nested(ContactSchema), required=True)
    next = fields.String(required=True, allow_none=True)
