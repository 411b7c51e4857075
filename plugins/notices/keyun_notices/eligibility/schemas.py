"""What staff write into a call."""

from __future__ import annotations

import json
from typing import Any

from marshmallow import ValidationError, fields, validate

from keyun.forms import Form, RegionCode, Text

KINDS = ("award", "policy", "project")
#: Larger than any expression within the bounds.
MOST_JSON = 200_000
NOT_JSON = '这里应是 JSON，如 {"all": []}。 (JSON such as {"all": []} is expected.)'
LINK = r"https?://[^\s\x00-\x1f\x7f]{1,490}"


class Expression(fields.Field[Any]):
    """An expression, as data or as the text of its JSON; what it says is checked by the service."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> Any:
        if not isinstance(value, str):
            return value
        if len(value) > MOST_JSON:
            raise ValidationError(NOT_JSON)
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValidationError(NOT_JSON) from None


class CallSchema(Form):
    """A call."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS), metadata={"label": "类型"})
    title = Text("标题", 120, least=2)
    summary = Text("说明", 4000)
    link = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(
            rf"\A{LINK}\Z",
            error="链接须以 http:// 或 https:// 开头。 (A link begins with http:// or https://.)",
        ),
        metadata={"label": "链接"},
    )
    region = RegionCode(required=True)
    audience = Expression(required=True, metadata={"label": "申报条件"})
    opens_at = fields.AwareDateTime(load_default=None, allow_none=True, metadata={"label": "开始"})
    closes_at = fields.AwareDateTime(load_default=None, allow_none=True, metadata={"label": "截止"})
