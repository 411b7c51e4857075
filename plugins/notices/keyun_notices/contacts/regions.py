"""Regions as people write them, what a notice covers, and a region as the subject of a permission."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass

from keyun.errors import Invalid, NotFound
from keyun.regions import Tree, contains

#: A longer answer does not fit into one SMS.
MOST_CHOICES = 6
SUFFIXES = ("自治县", "自治州", "地区", "新区", "县", "市", "区", "州", "盟", "旗", "省")
CODE = re.compile(r"\d{6}(\d{3}|\d{6})?")


@dataclass(frozen=True, slots=True)
class At:
    """A region as the subject of a permission; it belongs to nobody."""

    region: str | None
    owner_id: int | None = None
    organization_id: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A region that words may mean."""

    code: str
    name: str


def known(tree: Tree, code: object) -> str:
    """``code`` when it is a region.

    :raises Invalid: in words for the form.
    """
    if not isinstance(code, str) or code not in tree:
        text = "请选择地区。 (Choose a region.)"
        raise Invalid(text, {"region": [text]})
    return code


def today(tree: Tree, code: str, day: dt.date) -> str:
    """What ``code`` is called on ``day``: a retired one leads to its successor."""
    try:
        return tree.resolve(code, day).place.code
    except NotFound:
        return code


def covered(tree: Tree, codes: Iterable[str], roots: Iterable[str], day: dt.date) -> list[str]:
    """Those of ``codes`` that lie, as of ``day``, at or below one of ``roots``."""
    where = list(roots)
    return [c for c in codes if any(contains(r, today(tree, c, day)) for r in where)]


def meant(tree: Tree, home: str, words: str) -> list[Choice]:
    """Regions that ``words`` may mean: one when it is clear, several to ask about, none when unknown.

    A code means itself; a name is looked for below ``home``, whole names before stems. A name whose own
    division has others below it, such as a city, means one of those.
    """
    text = "".join(words.split())
    if CODE.fullmatch(text) and text.isascii():
        return [_choice(tree, text[:6])] if text[:6] in tree else []
    places = [p for p in tree.below(home) if p.kind in ("official", "zone") and p.code != home]
    full = [p.code for p in places if tree.name(p.code) == text]
    exact = full or [p.code for p in places if text == p.name]
    found = exact or [p.code for p in places if text and text == _stem(p.name)]
    found = found or [p.code for p in places if len(text) > 2 and tree.name(p.code).endswith(text)]
    if len(found) == 1:
        below = [c.code for c in tree.children(found[0]) if c.kind == "official"]
        found = below or found
    return [_choice(tree, code) for code in found]


def _stem(name: str) -> str:
    for suffix in SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            return name.removesuffix(suffix)
    return name


def _choice(tree: Tree, code: str) -> Choice:
    return Choice(code, tree.get(code).name)
