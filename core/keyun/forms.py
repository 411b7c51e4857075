"""Input schemas: the base class, fields people type into, and complaints in words they understand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate

from keyun.errors import Invalid

__all__ = ["Day", "Form", "RegionCode", "Text", "Words", "load"]

SEPARATORS = re.compile(r"[,，、;；\n\r]+")
#: What marshmallow says, and what people read.
COMPLAINTS = (
    (r"Missing data for required field\.|Field may not be null\.", "必填。 (Required.)"),
    (r"Not a valid integer\.", "请填写整数。 (Not a whole number.)"),
    (r"Not a valid date\.", "请填写日期，如 2027-03-31。 (Not a date.)"),
    (r"Not a valid email address\.", "邮箱地址不对。 (Not an e-mail address.)"),
    (r"Not a valid boolean\.", "请填写是或否。 (Not yes or no.)"),
    (r"Unknown field\.", "没有这个字段。 (Unknown field.)"),
    (r"Must be one of: (.*?)\.?", r"只能是 \1 之一。 (Must be one of \1.)"),
    (r"Longer than maximum length (\d+)\.", r"最多 \1 个字。 (At most \1 characters.)"),
    (r"Length must be between (\d+) and (\d+)\.", r"须为 \1 至 \2 个字。 (\1 to \2 characters.)"),
    (r"Shorter than minimum length 1\.", "必填。 (Required.)"),
    (r"Shorter than minimum length (\d+)\.", r"至少 \1 个字。 (At least \1 characters.)"),
    (
        r"Must be greater than or equal to (\S+) and less than or equal to (\S+)\.",
        r"须在 \1 至 \2 之间。 (\1 to \2.)",
    ),
)


def storable(text: str) -> str:
    """``text`` without what no database stores and nobody types: NUL, and halves of surrogate pairs."""
    return text.encode("utf-8", "ignore").decode("utf-8").replace("\x00", "")


class Form(Schema):
    """Base class of the schemas that people fill in: unknown keys are left out, blanks count as empty."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def _tidy(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, Mapping):
            # A program sent a list or a number; the schema says so.
            return data
        tidy: dict[str, Any] = {}
        for key, value in data.items():
            field = self.fields.get(key)
            if isinstance(value, str):
                value = storable(value).strip()
                empties = field is not None and (
                    field.allow_none or not isinstance(field, fields.String | Words)
                )
                if not value and empties:
                    value = None
            elif value is None and isinstance(field, fields.String | Words) and not field.allow_none:
                value = ""
            tidy[key] = value
        return tidy


class Text(fields.String):
    """A text of bounded length; ``label`` is its name on forms and in import files."""

    def __init__(self, label: str, most: int, *, least: int = 0, **more: Any) -> None:
        if not least:
            more.setdefault("load_default", "")
        super().__init__(
            required=bool(least),
            validate=validate.Length(least or None, most),
            metadata={"label": label},
            **more,
        )


class Words(fields.Field[list[str]]):
    """A list of keywords, typed as one line (separated by ， 、 ； or a line break) or given as a list."""

    def __init__(self, label: str, most: int = 12, length: int = 40) -> None:
        super().__init__(load_default=list, metadata={"label": label})
        self.most, self.length = most, length

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> list[str]:
        if isinstance(value, str):
            value = _listed(value) or SEPARATORS.split(value)
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise ValidationError("请填写关键词，用逗号分开。 (Give keywords separated by commas.)")
        words = list(dict.fromkeys(w for v in value if (w := storable(v).strip())))
        if len(words) > self.most or any(len(w) > self.length for w in words):
            raise ValidationError(
                f"最多 {self.most} 个关键词，每个最多 {self.length} 个字。"
                f" (At most {self.most} keywords of {self.length} characters.)"
            )
        return words


class Day(fields.Date):
    """A date whose value is text (``2027-03-31``), for places that hold JSON."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        return super()._deserialize(value, attr, data, **more).isoformat()

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> Any:
        return value


def _listed(text: str) -> list[str] | None:
    """The list that ``text`` is in JSON, as an export writes words that hold a separator."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(v, str) for v in found) else None


class RegionCode(fields.String):
    """A six-digit region code; whether it exists is checked by the service."""

    def __init__(self, **more: Any) -> None:
        error = "请选择地区。 (Choose a region.)"
        super().__init__(
            validate=validate.Regexp(r"^\d{6}$", error=error),
            metadata={"label": "地区"},
            error_messages={"required": error, "null": error},
            **more,
        )


def load(schema: Schema, data: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """Return the validated values of ``data``.

    :raises Invalid: with the messages by field, in words people understand.
    """
    try:
        values: dict[str, Any] = schema.load(data, partial=partial)
    except ValidationError as e:
        raise complaint(schema, e) from None
    return values


def complaint(schema: Schema, error: ValidationError) -> Invalid:
    """Turn marshmallow's messages into one :class:`Invalid` with the labels of the form."""
    messages: Mapping[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
    found = {str(k): _texts(v) for k, v in messages.items()}
    parts = [f"{label(schema, k)}: {' '.join(v)}" for k, v in found.items()]
    return Invalid("; ".join(parts), found)


def label(schema: Schema, name: str) -> str:
    """What people call the field ``name``."""
    field = schema.fields.get(name)
    return str(field.metadata.get("label", name)) if field is not None else name


def _texts(messages: Any) -> list[str]:
    if isinstance(messages, Mapping):
        return [t for v in messages.values() for t in _texts(v)]
    return [_words(str(m)) for m in messages] if isinstance(messages, list) else [_words(str(messages))]


def _words(message: str) -> str:
    for pattern, words in COMPLAINTS:
        if found := re.fullmatch(pattern, message):
            return found.expand(words)
    return message
