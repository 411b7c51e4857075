"""What is known of one person, and whether he meets an expression."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from keyun.regions import Tree
from keyun_notices.audience.attributes import Value
from keyun_notices.audience.expression import All, Any, Between, Expression, In, Is, Leaf, Not, Within
from keyun_notices.audience.places import Settled

Values = Mapping[str, frozenset[Value]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one person: values by attribute, none when nothing is known."""

    user_id: int
    active: bool = True
    values: Values = field(default_factory=dict)

    def of(self, attribute: str) -> frozenset[Value]:
        """What is known about ``attribute``."""
        return self.values.get(attribute, frozenset())

    def one(self, attribute: str) -> Value | None:
        """The value of an attribute that has one."""
        return next(iter(self.of(attribute)), None)


def meets(expression: Expression, facts: Facts, places: Tree, today: dt.date) -> bool:
    """Whether this person is in the audience; a closed account is in none."""
    return facts.active and holds(expression, facts, Settled(places, today))


def holds(expression: Expression, facts: Facts, settled: Settled) -> bool:
    """Whether one clause holds, whatever becomes of the account."""
    match expression:
        case All(parts):
            return all([holds(p, facts, settled) for p in parts])
        case Any(parts):
            return any([holds(p, facts, settled) for p in parts])
        case Not(part):
            return not holds(part, facts, settled)
        case _:
            return _leaf(expression, facts, settled)


def _leaf(leaf: Leaf, facts: Facts, settled: Settled) -> bool:
    known = facts.of(leaf.attribute)
    match leaf:
        case Is(_, value):
            return value in known
        case In(_, values):
            return not known.isdisjoint(values)
        case Between(_, low, high):
            return any(
                isinstance(v, int) and (low is None or low <= v) and (high is None or v <= high)
                for v in known
            )
        case Within(_, codes, on):
            return bool(settled.inside((str(v) for v in known), codes, on))
