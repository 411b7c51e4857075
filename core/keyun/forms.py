"""Load input through a marshmallow schema and turn its complaints into :class:`keyun.errors.Invalid`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from keyun.errors import Invalid


def load(schema: Schema, data: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """Return the validated values of ``data``.

    :raises Invalid: with the messages by field.
    """
    try:
        values: dict[str, Any] = schema.load(data, partial=partial)
    except ValidationError as e:
        fields = {str(k): _texts(v) for k, v in e.normalized_messages().items()}
        text = "; ".join(f"{k}: {' '.join(v)}" for k, v in fields.items())
        raise Invalid(text, fields) from None
    return values


def _texts(messages: Any) -> list[str]:
    if isinstance(messages, Mapping):
        return [t for v in messages.values() for t in _texts(v)]
    return [str(m) for m in messages] if isinstance(messages, list) else [str(messages)]
