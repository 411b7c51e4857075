"""Try an audience before it is used: how many, clause by clause, a sample, and what looks wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyroaring import BitMap

from keyun.regions import Tree
from keyun_notices.audience.attributes import Attribute
from keyun_notices.audience.evaluate import People, evaluator
from keyun_notices.audience.expression import All, Any, Expression, Not, Within, walk
from keyun_notices.audience.logic import always, contradiction
from keyun_notices.audience.places import Settled
from keyun_notices.audience.words import Words, describe

SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Counted:
    """One part of the expression and how many people meet it by itself."""

    path: str
    depth: int
    kind: str
    asks: Words
    count: int


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that is probably not meant: ``code``, where, and what.

    ``nobody`` and ``everybody`` say what is so today; ``contradiction`` and ``always`` what can never be
    otherwise; ``retired`` that a region code means another place now.
    """

    code: str
    path: str
    says: Words


@dataclass(frozen=True, slots=True)
class Trial:
    """What an audience would be now: ``count`` of ``of`` people that were looked at."""

    count: int
    of: int
    clauses: Sequence[Counted]
    sample: Sequence[int]
    warnings: Sequence[Caution]


def trial(
    expression: Expression,
    people: People,
    attributes: Mapping[str, Attribute],
    places: Tree,
    today: dt.date,
    *,
    within: BitMap | None = None,
    sample: int = SAMPLE,
) -> Trial:
    """Count ``expression`` and each of its parts, and pick ``sample`` ids spread evenly over the result.

    With ``within`` only these people are looked at, such as those of one's own region.

    :raises Invalid: when it names a region code that is in no table.
    """
    evaluate, everybody = evaluator(people, places, today), people.universe if within is None else within
    counted: list[Counted] = []
    for path, part in walk(expression):
        asks = describe(part, attributes, places)
        counted.append(
            Counted(path, _depth(path), _kind(part), asks, evaluate(part).intersection_cardinality(everybody))
        )
    found = evaluate(expression) & everybody
    warnings = [
        *_impossible(expression, attributes, Settled(places, today)),
        *_counts(counted, len(everybody)),
        *_retired(expression, Settled(places, today)),
    ]
    return Trial(len(found), len(everybody), counted, spread(found, sample), warnings)


def spread(found: BitMap, most: int) -> list[int]:
    """Up to ``most`` members at even distances, the same ones each time."""
    size = len(found)
    most = min(most, size)
    return [found[n * size // most] for n in range(most)]


def _kind(expression: Expression) -> str:
    match expression:
        case All():
            return "all"
        case Any():
            return "any"
        case Not():
            return "not"
        case _:
            return "test"


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0


def _impossible(
    expression: Expression, attributes: Mapping[str, Attribute], settled: Settled
) -> Iterator[Caution]:
    for path, part in walk(expression):
        if isinstance(part, All) and contradiction(part, attributes, settled):
            yield Caution(
                "contradiction",
                path,
                Words(
                    "这些条件互相矛盾，永远不会有人满足",
                    "these clauses contradict: nobody can ever meet them",
                ),
            )
        elif isinstance(part, Any) and part.parts and always(part):
            yield Caution(
                "always",
                path,
                Words("这个条件总是成立，等于没有限制", "this always holds: it restricts nobody"),
            )


def _counts(counted: Sequence[Counted], everybody: int) -> Iterator[Caution]:
    for c in counted:
        if not c.count:
            yield Caution("nobody", c.path, Words(f"没有人满足：{c.asks.zh}", f"nobody meets: {c.asks.en}"))
        elif c.count == everybody:
            yield Caution(
                "everybody",
                c.path,
                Words(f"所有 {everybody} 人都满足：{c.asks.zh}", f"all {everybody} people meet: {c.asks.en}"),
            )


def _retired(expression: Expression, settled: Settled) -> Iterator[Caution]:
    for path, part in walk(expression):
        if not isinstance(part, Within):
            continue
        for code in part.codes:
            now = settled.meaning(code, part.on)
            if now != code:
                old, new = settled.places.name(code), settled.places.name(now)
                yield Caution(
                    "retired",
                    path,
                    Words(f"{code} {old} 按 {now} {new} 计算", f"{code} {old} is taken as {now} {new}"),
                )
