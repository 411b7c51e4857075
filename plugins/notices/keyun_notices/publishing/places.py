"""Codes of a notice and of a reader: who looks where."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from keyun.errors import Invalid, NotFound
from keyun.regions import Tree, contains, parent_code

COUNTRY = "100000"


def chain(places: Tree, code: str | None, today: dt.date) -> list[str]:
    """The codes at and above ``code``, and of what a retired one means today; the country last."""
    if not code:
        return [COUNTRY]
    found = dict.fromkeys([*_above(code), *_above(_meaning(places, code, today))])
    found.pop(COUNTRY, None)
    return [*found, COUNTRY]


def known(places: Tree, codes: Iterable[str], today: dt.date) -> dict[str, bool]:
    """``codes`` as they were given (True), and what retired ones mean today (False).

    :raises Invalid: when a code is in no table.
    """
    given = dict.fromkeys(codes, True)
    for code in given:
        if code not in places:
            message = f"行政区划代码 {code[:20]} 不存在。 (Unknown region code {code[:20]}.)"
            raise Invalid(message, {"regions": [message]})
    return {_meaning(places, c, today): False for c in given} | given


def root(codes: Sequence[str]) -> str | None:
    """The smallest region that holds all ``codes``."""
    if not codes:
        return None
    found = codes[0]
    while not all(contains(found, c) for c in codes):
        found = parent_code(found) or COUNTRY
    return found


def outermost(codes: Iterable[str]) -> list[str]:
    """``codes`` without those inside another one."""
    # A subtree follows its root in this order; only the country has a number between those it holds.
    ordered = sorted(set(codes))
    if COUNTRY in ordered:
        return [COUNTRY]
    kept: list[str] = []
    for code in ordered:
        if not (kept and contains(kept[-1], code)):
            kept.append(code)
    return kept


def _above(code: str) -> list[str]:
    found = [code]
    while (up := parent_code(found[-1])) is not None:
        found.append(up)
    return found


def _meaning(places: Tree, code: str, today: dt.date) -> str:
    try:
        return places.resolve(code, today).place.code if code in places else code
    except NotFound:
        return code
