"""What an expression can never or must always be, seen from its clauses alone.

Deliberately simple: it compares clauses that stand side by side, and misses what is hidden deeper.
"""

from __future__ import annotations

from collections.abc import Mapping

from keyun_notices.audience.attributes import LEAST, MOST, Attribute
from keyun_notices.audience.expression import All, Any, Between, Expression, In, Is, Leaf, Not, Within
from keyun_notices.audience.places import Settled, covers, stem


def contradiction(group: All, attributes: Mapping[str, Attribute], settled: Settled) -> bool:
    """Whether two parts exclude each other."""
    parts = _flat(group)
    if any(Not(p) in parts or p == Any() for p in parts):
        return True
    tests = [p for p in parts if isinstance(p, Leaf) and attributes[p.attribute].kind != "set"]
    return any(
        a.attribute == b.attribute and _exclude(a, b, settled)
        for n, a in enumerate(tests)
        for b in tests[n + 1 :]
    ) or any(isinstance(p, Between) and _empty(p) for p in tests)


def always(group: Any) -> bool:
    """Whether one part holds whenever another does not."""
    return any(p == All() or Not(p) in group.parts for p in group.parts)


def _flat(group: All) -> list[Expression]:
    """The parts of ``group`` and of every ``all`` right inside it."""
    found: list[Expression] = []
    for part in group.parts:
        found += _flat(part) if isinstance(part, All) else [part]
    return found


def _empty(test: Between) -> bool:
    return test.low is not None and test.high is not None and test.low > test.high


def _exclude(a: Leaf, b: Leaf, settled: Settled) -> bool:
    """Whether no single value meets both."""
    if isinstance(a, Within) and isinstance(b, Within):
        return a.on == b.on and _apart(settled.asked(a.codes, a.on), settled.asked(b.codes, b.on))
    if isinstance(a, Is | In) and isinstance(b, Is | In):
        return _values(a).isdisjoint(_values(b))
    low_a, high_a = _ends(a)
    low_b, high_b = _ends(b)
    if isinstance(a, Between) and isinstance(b, Between):
        return max(low_a, low_b) > min(high_a, high_b)
    values, (low, high) = (
        (_values(a), (low_b, high_b)) if isinstance(b, Between) else (_values(b), (low_a, high_a))
    )
    return not any(isinstance(v, int) and low <= v <= high for v in values)


def _values(test: Leaf) -> frozenset[object]:
    match test:
        case Is(_, value):
            return frozenset((value,))
        case In(_, values):
            return frozenset(values)
        case _:
            return frozenset()


def _ends(test: Leaf) -> tuple[int, int]:
    if not isinstance(test, Between):
        return LEAST, MOST
    return (LEAST if test.low is None else test.low), (MOST if test.high is None else test.high)


def _apart(these: list[str], those: list[str]) -> bool:
    """Whether no place lies in both."""
    one, other = {stem(c) for c in these}, {stem(c) for c in those}
    return not any(covers(one, c) for c in those) and not any(covers(other, c) for c in these)
