"""Places to choose from."""

from __future__ import annotations

from collections.abc import Sequence

from keyun.regions import Tree, level
from keyun_notices.publishing.places import COUNTRY, outermost

#: (heading, ((code, name), …)); the first of several is the place that holds the others.
Group = tuple[str, Sequence[tuple[str, str]]]


def groups(tree: Tree, roots: Sequence[str], home: str) -> list[Group]:
    """Everything at and below ``roots``, city by city; of the whole country, only what lies in ``home``."""
    found: list[Group] = []
    for code in outermost(c for c in roots if c in tree):
        if code == COUNTRY:
            found.append((tree.name(COUNTRY), [(COUNTRY, tree.name(COUNTRY))]))
            code = home
        if code in tree:
            found += _below(tree, code)
    return found


def _below(tree: Tree, code: str) -> list[Group]:
    place = tree.get(code)
    if level(code) != "province":
        return [_city(tree, code)]
    found: list[Group] = [(place.name, [(code, place.name)])]
    for city in tree.children(code):
        if city.kind == "pseudo":
            found += [(c.name, [(c.code, c.name)]) for c in tree.children(city.code)]
        else:
            found.append(_city(tree, city.code))
    return found


def _city(tree: Tree, code: str) -> Group:
    place = tree.get(code)
    inside = [(c.code, c.name) for c in tree.children(code) if c.kind == "official"]
    return place.name, [(code, place.name), *inside]


def usual(roots: Sequence[str], home: str) -> tuple[str, ...]:
    """The scope that a sender most likely means: what he answers for, or home when that is the country."""
    found = outermost(roots)
    return (home,) if found == [COUNTRY] else tuple(found)
