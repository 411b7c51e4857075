"""Paging by key: a page begins after the last item of the page before, not at a number.

Items that are added or removed in the meantime neither repeat nor hide others, the last page costs
what the first one costs, and nothing is counted.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import InstrumentedAttribute, Session

from keyun.api.fields import Whole
from keyun.db import UTCDateTime
from keyun.errors import Invalid

T = TypeVar("T")
MAX_LIMIT = 100
MAX_CURSOR = 400


class PageArguments(Schema):
    """Where a page begins and how long it is."""

    after = fields.String(
        load_default=None,
        validate=validate.Length(1, MAX_CURSOR),
        metadata={"description": "上一页的 next / the `next` of the page before"},
    )
    limit = Whole(
        load_default=20,
        validate=validate.Range(1, MAX_LIMIT),
        metadata={"description": "每页条数 / items on a page"},
    )


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page; ``next`` is the cursor of the following one, None on the last."""

    items: Sequence[T]
    next: str | None


def page(
    session: Session,
    query: sa.Select[T],
    keys: Sequence[InstrumentedAttribute[Any]],
    *,
    after: str | None = None,
    limit: int = 20,
    descending: bool = True,
) -> Page[T]:
    """Return the page of ``query`` that follows the cursor ``after``, ordered by ``keys``.

    ``keys`` together are unique and never NULL in the result (such as moment and id).

    :raises Invalid: when the cursor is not one of this list.
    """
    place = sa.tuple_(*keys)
    if after is not None:
        values = sa.tuple_(*(sa.literal(v, k.type) for v, k in zip(decode(after, keys), keys, strict=True)))
        query = query.where(place < values if descending else place > values)
    order = [k.desc() if descending else k.asc() for k in keys]
    rows = session.scalars(query.order_by(*order).limit(limit + 1)).all()
    items = rows[:limit]
    more = len(rows) > limit
    return Page(items, encode([getattr(items[-1], k.key) for k in keys]) if more else None)


def encode(values: Sequence[Any]) -> str:
    """The cursor of an item with the key ``values``."""
    plain = [v.isoformat() if isinstance(v, dt.datetime) else v for v in values]
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, keys: Sequence[InstrumentedAttribute[Any]]) -> list[Any]:
    """The key values in ``cursor``.

    :raises Invalid: when it was not made by :func:`encode` for such keys.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(values, list) or len(values) != len(keys):
            raise ValueError("not a list of the keys")
        return [_value(v, k) for v, k in zip(values, keys, strict=True)]
    except (ValueError, binascii.Error, RecursionError):
        message = (
            "翻页标记无效，请从第一页重新开始。 (Not a cursor of this list; start again without `after`.)"
        )
        raise Invalid(message, {"after": [message]}) from None


def _value(value: Any, key: InstrumentedAttribute[Any]) -> Any:
    """``value`` as one of the column, which must be able to hold it: PostgreSQL refuses to compare others."""
    if isinstance(key.type, UTCDateTime) and isinstance(value, str):
        moment = dt.datetime.fromisoformat(value)
        if moment.tzinfo is None or not 1 < moment.year < 9999:
            raise ValueError("not a moment that was stored")
        return moment
    if isinstance(key.type, sa.Integer) and type(value) is int:
        end = 2**63 if isinstance(key.type, sa.BigInteger) else 2**31
        if -end <= value < end:
            return value
    if isinstance(key.type, sa.String) and isinstance(value, str) and "\x00" not in value:
        value.encode()
        return value
    raise ValueError("a value of another kind")
