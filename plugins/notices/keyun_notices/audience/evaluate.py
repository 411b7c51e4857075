"""Who meets an expression: set algebra over resident bitmaps of user ids."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pyroaring import BitMap

from keyun.regions import Tree
from keyun_notices.audience.attributes import Value
from keyun_notices.audience.expression import All, Any, Between, Expression, In, Is, Leaf, Not, Within
from keyun_notices.audience.facts import Facts
from keyun_notices.audience.places import Settled


@dataclass(frozen=True, slots=True)
class People:
    """What is known of all people at one moment. Nobody changes the bitmaps: a change makes new ones.

    ``universe`` are the ids of all active accounts; ``values`` says for each attribute who has which value,
    all of them inside the universe.
    """

    universe: BitMap = field(default_factory=BitMap)
    values: Mapping[str, Mapping[Value, BitMap]] = field(default_factory=dict)

    def having(self, attribute: str, values: Iterable[Value]) -> BitMap:
        """Who has one of ``values``."""
        known = self.values.get(attribute, {})
        return _union([known[v] for v in values if v in known])

    def known(self, attribute: str) -> BitMap:
        """Of whom something is known."""
        return _union(list(self.values.get(attribute, {}).values()))

    def facts(self, user_id: int) -> Facts:
        """What is known of one person."""
        found = {
            name: frozenset(v for v, who in known.items() if user_id in who)
            for name, known in self.values.items()
        }
        return Facts(user_id, user_id in self.universe, {n: v for n, v in found.items() if v})


def evaluate(expression: Expression, people: People, places: Tree, today: dt.date) -> BitMap:
    """The ids of all people who meet ``expression`` on ``today``; never anybody outside the universe.

    :raises Invalid: when it names a region code that is in no table.
    """
    return evaluator(people, places, today)(expression)


def evaluator(people: People, places: Tree, today: dt.date) -> Callable[[Expression], BitMap]:
    """Like :func:`evaluate` for many expressions: what a code means is looked up once."""
    return _Evaluation(people, Settled(places, today)).of


@dataclass(frozen=True, slots=True)
class _Evaluation:
    people: People
    settled: Settled

    def of(self, expression: Expression) -> BitMap:
        match expression:
            case All(()):
                return self.people.universe.copy()
            case All(parts):
                return self._every(parts)
            case Any(parts):
                return _union([self.of(p) for p in parts])
            case Not(part):
                return self.people.universe - self.of(part)
            case _:
                return self._leaf(expression)

    def _every(self, parts: tuple[Expression, ...]) -> BitMap:
        """The intersection, the smallest sets first; every part is looked at, so each mistake is found."""
        found = sorted((self.of(p) for p in parts), key=len)
        return BitMap.intersection(*found) if len(found) > 1 else found[0]

    def _leaf(self, leaf: Leaf) -> BitMap:
        match leaf:
            case Is(name, value):
                return self.people.having(name, (value,))
            case In(name, values):
                return self.people.having(name, values)
            case Between(name, low, high):
                return self.people.having(name, self._range(name, low, high))
            case Within(name, codes, on):
                known = self.people.values.get(name, {})
                return self.people.having(name, self.settled.inside((str(c) for c in known), codes, on))

    def _range(self, name: str, low: int | None, high: int | None) -> list[int]:
        numbers = sorted(v for v in self.people.values.get(name, {}) if isinstance(v, int))
        start = 0 if low is None else bisect_left(numbers, low)
        return numbers[start : len(numbers) if high is None else bisect_right(numbers, high)]


def _union(sets: list[BitMap]) -> BitMap:
    """A new set of all members."""
    if len(sets) == 1:
        return sets[0].copy()
    return BitMap.union(*sets) if sets else BitMap()
