"""Where a page of the inbox begins: after the moment and number of the last notice before it.

The list cannot use :func:`keyun.api.page`: whether a notice is for somebody is not a question for SQL alone.
"""

from __future__ import annotations

import datetime as dt
import re

from keyun.errors import Invalid

CURSOR = re.compile(r"([0-9]{1,16})-([0-9]{1,9})")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
Place = tuple[dt.datetime, int]
MICROSECOND = dt.timedelta(microseconds=1)


def place_of(moment: dt.datetime, number: int) -> str:
    """The cursor behind the notice ``number`` that was published at ``moment``."""
    return f"{(moment - EPOCH) // MICROSECOND}-{number}"


def after_place(cursor: str | None) -> Place | None:
    """What :func:`place_of` made a cursor of.

    :raises Invalid: when it is not one.
    """
    if cursor is None:
        return None
    found = CURSOR.fullmatch(cursor)
    if found is None:
        message = (
            "翻页标记无效，请从第一页重新开始。 (Not a cursor of this list; start again without `after`.)"
        )
        raise Invalid(message, {"after": [message]})
    return EPOCH + int(found[1]) * MICROSECOND, int(found[2])
