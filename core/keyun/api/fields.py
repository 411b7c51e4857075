"""Field types of the API where marshmallow's own are too lenient."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from marshmallow import fields

DIGITS = re.compile(r"-?[0-9]{1,18}")


class Whole(fields.Integer):
    """A whole number: in JSON an integer, in an address decimal digits; never 2.6e-42, ``1_0`` or ``１``."""

    def __init__(self, **more: Any) -> None:
        super().__init__(strict=True, **more)

    def _validated(self, value: Any) -> int:
        if isinstance(value, str) and DIGITS.fullmatch(value):
            value = int(value)
        if isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Moment(fields.AwareDateTime):
    """A moment with its offset (RFC 3339); one without is read as UTC."""

    def __init__(self, **more: Any) -> None:
        super().__init__(default_timezone=dt.UTC, **more)


class Added(fields.Dict):
    """The values of fields that plugins add, by ``<slot>.<field>``; described as ``Extensions``."""

    def __init__(self) -> None:
        text = "插件添加的字段 / fields that plugins add"
        super().__init__(required=True, keys=fields.String(), metadata={"description": text})
