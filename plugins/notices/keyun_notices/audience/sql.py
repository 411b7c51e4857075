"""The same audience as a condition of SQL: the cross-check of the bitmaps, and the way without them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any as Column

import sqlalchemy as sa

from keyun.accounts import User
from keyun.regions import Tree, level, subtree
from keyun_notices.audience.attributes import Attribute
from keyun_notices.audience.expression import All, Any, Between, Expression, In, Is, Leaf, Not, Within
from keyun_notices.audience.places import Settled, covers, stem

Condition = sa.ColumnElement[bool]


def condition(
    expression: Expression,
    attributes: Mapping[str, Attribute],
    places: Tree,
    today: dt.date,
    root: str = "",
) -> Condition:
    """What SQL asks of ``User.id`` to find everybody with an open account who meets ``expression``.

    ``root`` is the region of the deployment: a clause that covers it is written so that no index is
    taken, because reading nearly every row by an index costs 15 times as much as reading the table.

    :raises Invalid: when it names a region code that is in no table.
    """
    compiler = _Compiler(attributes, Settled(places, today), root)
    return sa.and_(User.active.is_(True), compiler.of(expression, False))


@dataclass(frozen=True, slots=True)
class _Compiler:
    attributes: Mapping[str, Attribute]
    settled: Settled
    root: str

    def of(self, expression: Expression, negated: bool) -> Condition:
        """``not`` is carried down to the clauses, where SQL's unknown can be told from no."""
        match expression:
            case All(parts):
                return self._joined(parts, negated, conjunction=not negated)
            case Any(parts):
                return self._joined(parts, negated, conjunction=negated)
            case Not(part):
                return self.of(part, not negated)
            case _:
                return self._leaf(expression, negated)

    def _joined(self, parts: Sequence[Expression], negated: bool, *, conjunction: bool) -> Condition:
        found = [self.of(p, negated) for p in parts]
        if conjunction:
            return sa.and_(sa.true(), *found)
        return sa.or_(sa.false(), *found)

    def _leaf(self, leaf: Leaf, negated: bool) -> Condition:
        attribute = self.attributes[leaf.attribute]
        column = attribute.value
        asks = self._test(leaf, column)
        if attribute.user is User.id:
            return sa.or_(column.is_(None), sa.not_(asks)) if negated else asks
        # A look-up for each person; PostgreSQL makes a join of it, where NOT IN would compare all with all.
        who = sa.select(sa.literal(1)).select_from(attribute.table)
        there = who.where(attribute.user == User.id, column.is_not(None), asks).correlate(User).exists()
        return sa.not_(there) if negated else there

    def _test(self, leaf: Leaf, column: Column) -> Condition:
        match leaf:
            case Is(_, value):
                return sa.and_(sa.true(), column == value)
            case In(_, values):
                return sa.and_(sa.true(), column.in_(values))
            case Between(_, low, high):
                ends = [column >= low] if low is not None else []
                return sa.and_(sa.true(), *ends, *([column <= high] if high is not None else []))
            case Within(_, codes, on):
                return self._within(column, codes, on)

    def _within(self, column: Column, codes: Sequence[str], on: dt.date | None) -> Condition:
        """Ranges of codes, less those that mean a place outside, and those that mean one inside."""
        asked = self.settled.asked(codes, on)
        stems = {stem(c) for c in asked}
        if covers(stems, self.root):
            column = sa.func.coalesce(column, "")
        inside = {c: covers(stems, self.settled.meaning(c, on)) for c in self.settled.places.codes()}
        less = [c for c, yes in inside.items() if not yes and covers(stems, c)]
        more = [c for c, yes in inside.items() if yes and not covers(stems, c)]
        found = _ranges(column, asked)
        if less:
            found = sa.and_(found, column.not_in(less))
        return sa.or_(found, column.in_(more)) if more else found


def _ranges(column: Column, codes: Sequence[str]) -> Condition:
    """At or below one of ``codes``: a range for each subtree, and a list of single counties."""
    single = [c for c in codes if level(c) == "county"]
    wide = [column.between(*subtree(c)) for c in codes if level(c) != "county"]
    return sa.or_(sa.false(), *wide, *([column.in_(single)] if single else []))
