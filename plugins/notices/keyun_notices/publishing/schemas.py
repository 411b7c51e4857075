"""A draft as JSON: the same for the command, the API and the pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from keyun.api import Moment
from keyun.content import MAX_BODY, MAX_TITLE
from keyun.forms import Form, RegionCode, Text
from keyun_notices.publishing.checks import KEY
from keyun_notices.publishing.draft import MOST_ATTACHMENTS, MOST_REFERENCES, MOST_REGIONS, Draft, Kept
from keyun_notices.publishing.models import KINDS

KEY_TEXT = validate.Regexp(
    rf"^{KEY.pattern}\Z",
    error="编号为 1 至 160 个可见的英文字符。 (A key has 1 to 160 visible ASCII characters.)",
)
PUBLIC_ID = validate.Regexp(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
#: Base64 of what one request may hold.
MOST_ENCODED = 2_000_000


class Encoded(fields.String):
    """Bytes as Base64."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        try:
            return base64.b64decode(super()._deserialize(value, attr, data, **more), validate=True)
        except (binascii.Error, ValueError):
            raise ValidationError("不是 Base64。 (Not Base64.)") from None


class FileSchema(Schema):
    """A file that comes with a notice: PDF, PNG, JPEG, WebP or plain text; its content says which."""

    class Meta:
        unknown = RAISE

    name = fields.String(required=True, validate=validate.Length(1, 120))
    content = Encoded(required=True, metadata={"format": "byte", "maxLength": MOST_ENCODED})


class DraftSchema(Form):
    """A notice to publish, an update, or the cancellation of a thread."""

    class Meta:
        unknown = RAISE

    key = fields.String(
        required=True,
        validate=KEY_TEXT,
        metadata={"description": "幂等编号：同一编号、同一内容只发布一次 / idempotency key"},
    )
    kind = fields.String(load_default="notice", validate=validate.OneOf(KINDS))
    topic = fields.String(load_default="general", validate=validate.Length(1, 60))
    title = Text("标题", MAX_TITLE)
    body = Text("正文", MAX_BODY)
    link = fields.String(load_default=None, allow_none=True, validate=validate.Length(8, 500))
    life = fields.Boolean(load_default=False)
    regions = fields.List(RegionCode(), load_default=list, validate=validate.Length(max=MOST_REGIONS))
    audience = fields.Dict(
        load_default=lambda: {"all": []}, metadata={"description": "人群条件 / an expression"}
    )
    starts_at = Moment(load_default=None, allow_none=True)
    expires_at = Moment(load_default=None, allow_none=True)
    refers_to = fields.List(
        fields.String(validate=KEY_TEXT), load_default=list, validate=validate.Length(max=MOST_REFERENCES)
    )
    organization = fields.String(load_default=None, allow_none=True, validate=PUBLIC_ID)
    contacts = fields.Boolean(load_default=False)
    relays = fields.Boolean(load_default=False)
    attachments = fields.List(
        fields.Nested(FileSchema), load_default=list, validate=validate.Length(max=MOST_ATTACHMENTS)
    )


def to_draft(values: Mapping[str, Any], files: Sequence[Kept] = ()) -> Draft:
    """The draft of what :class:`DraftSchema` loaded; ``files`` lie in the instance already."""
    rest = {k: v for k, v in values.items() if k not in ("key", "attachments", "regions", "refers_to")}
    return Draft(
        values["key"],
        regions=tuple(values["regions"]),
        refers_to=tuple(values["refers_to"]),
        attachments=tuple(files),
        **rest,
    )


class NoticeSchema(Schema):
    """A notice as its sender sees it."""

    id = fields.String(required=True)
    key = fields.String(required=True)
    kind = fields.String(required=True)
    topic = fields.String(required=True)
    title = fields.String(required=True)
    state = fields.String(
        required=True, metadata={"description": "scheduled, published, superseded or cancelled"}
    )
    life = fields.Boolean(required=True)
    region = fields.String(required=True, allow_none=True)
    starts_at = fields.AwareDateTime(required=True)
    expires_at = fields.AwareDateTime(required=True, allow_none=True)
    published_at = fields.AwareDateTime(required=True, allow_none=True)
    addressed = fields.Integer(
        required=True, metadata={"description": "发布时的人数 / people at that moment"}
    )
    erased = fields.Integer(
        required=True, metadata={"description": "其中已注销的人数 / of them, erased since"}
    )


class NoticeDetailSchema(NoticeSchema):
    """A notice with its text and its conditions."""

    body = fields.String(required=True)
    link = fields.String(required=True, allow_none=True)
    regions = fields.List(fields.String(), required=True)
    audience = fields.Dict(required=True)
    refers_to = fields.List(fields.String(), required=True)


class NoticePageSchema(Schema):
    """A page of notices, newest first."""

    items = fields.List(fields.Nested(NoticeSchema), required=True)
    next = fields.String(required=True, allow_none=True)
