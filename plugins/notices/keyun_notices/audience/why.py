"""Why somebody is in an audience, or is not: clause by clause, with what is known of him."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from keyun.regions import Tree
from keyun_notices.audience.attributes import Attribute
from keyun_notices.audience.expression import All, Any, Expression, Not
from keyun_notices.audience.facts import Facts, holds
from keyun_notices.audience.places import Settled
from keyun_notices.audience.words import Words, clause, person

GROUPS = {
    "all": Words("以下各项全部满足", "all of these"),
    "any": Words("以下各项至少满足一项", "at least one of these"),
    "not": Words("以下一项不满足", "not this"),
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One part of an expression for one person.

    ``kind`` is ``all``, ``any``, ``not`` or ``test``. ``asks`` is what it asks for, ``mine`` what is known of
    the person (a test only), ``parts`` what stands inside.
    """

    path: str
    kind: str
    holds: bool
    asks: Words
    mine: Words | None = None
    parts: tuple[Clause, ...] = ()

    def as_dict(self, language: str = "zh") -> dict[str, object]:
        """The clause as plain data in one language."""
        return {
            "path": self.path,
            "kind": self.kind,
            "holds": self.holds,
            "asks": self.asks.text(language),
            "mine": self.mine.text(language) if self.mine else None,
            "parts": [p.as_dict(language) for p in self.parts],
        }

    def in_both(self) -> dict[str, object]:
        """The clause as plain data, in both languages."""
        return {
            "path": self.path,
            "kind": self.kind,
            "holds": self.holds,
            "asks": self.asks.zh,
            "asks_en": self.asks.en,
            "mine": self.mine.zh if self.mine else None,
            "mine_en": self.mine.en if self.mine else None,
            "parts": [p.in_both() for p in self.parts],
        }


def why(
    expression: Expression, facts: Facts, places: Tree, today: dt.date, attributes: Mapping[str, Attribute]
) -> Clause:
    """The tree of clauses of ``expression``, each true or false for one person.

    It speaks of the clauses only: an account that is closed is in no audience, whatever it meets.

    :raises Invalid: when it names a region code that is in no table.
    """
    return _Explanation(facts, Settled(places, today), attributes).of(expression, "")


def decisive(root: Clause) -> list[Clause]:
    """The tests that make the whole what it is: for a yes those that suffice, for a no those that fail."""
    if root.kind == "test":
        return [root]
    if root.kind == "not":
        return decisive(root.parts[0])
    needs_all = (root.kind == "all") == root.holds
    chosen = root.parts if needs_all else [p for p in root.parts if p.holds == root.holds]
    return [
        leaf for p in (chosen if needs_all else chosen[: 1 if root.holds else None]) for leaf in decisive(p)
    ]


@dataclass(frozen=True, slots=True)
class _Explanation:
    facts: Facts
    settled: Settled
    attributes: Mapping[str, Attribute]

    def of(self, expression: Expression, path: str) -> Clause:
        true = holds(expression, self.facts, self.settled)
        match expression:
            case All(parts) | Any(parts):
                kind = "all" if isinstance(expression, All) else "any"
                inner = tuple(self.of(p, _at(path, f"{kind}[{n}]")) for n, p in enumerate(parts))
                return Clause(path, kind, true, GROUPS[kind], None, inner)
            case Not(part):
                return Clause(path, "not", true, GROUPS["not"], None, (self.of(part, _at(path, "not")),))
            case _:
                places = self.settled.places
                attribute = self.attributes[expression.attribute]
                mine = person(attribute, self.facts.of(attribute.name), places)
                return Clause(path, "test", true, clause(expression, self.attributes, places), mine)


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
