"""Whether an audience looks at anything but the region: what is not personalised is public reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from keyun_notices.publishing.models import Notice

#: The one attribute that is no profile.
REGION = "region"
#: How a clause about the region is stored, and how any clause about an attribute is.
ABOUT_REGION, ABOUT_ANYTHING = '"attribute": "region"', '"attribute"'


def regional(expression: Mapping[str, Any]) -> bool:
    """Whether ``expression`` (JSON, checked when it was stored) asks for no attribute but the region."""
    return all(name == REGION for name in _attributes(expression))


def chosen_by_region(audience: Any) -> sa.ColumnElement[bool]:
    """The condition that a stored audience asks for nothing but the region; see :func:`regional`.

    In a JSON text a quotation mark inside a value is written with a backslash, so the words below are
    the key of a clause wherever they stand.
    """
    rest = sa.func.replace(sa.cast(audience, sa.Text), ABOUT_REGION, "")
    return sa.not_(rest.contains(ABOUT_ANYTHING, autoescape=True))


def impersonal() -> sa.ColumnElement[bool]:
    """The condition for notices that were chosen by region alone; of a cancellation, all that it ended."""
    ended = aliased(Notice)
    chosen = sa.select(ended.id).where(
        ended.thread == Notice.thread, sa.not_(chosen_by_region(ended.audience))
    )
    return sa.and_(
        chosen_by_region(Notice.audience), sa.or_(Notice.kind != "cancel", sa.not_(chosen.exists()))
    )


def _attributes(expression: Any) -> Iterator[str]:
    if isinstance(expression, Mapping):
        if "attribute" in expression:
            yield str(expression["attribute"])
        for part in expression.values():
            yield from _attributes(part)
    elif isinstance(expression, list | tuple):
        for part in expression:
            yield from _attributes(part)
