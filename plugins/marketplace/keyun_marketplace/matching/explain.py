"""Why a record fits: its exact score, told in words of the query that a manager can read.

Every query term (a word or a pair of characters) that a record has contributes its impact. The
contributions are handed to the words of the query they overlap; what touches no wholly matched word
is told as "other similar wording". Nothing is estimated: the parts add up to the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keyun.search.analysis import Analyzer, Span
from keyun_marketplace.matching.records import Part
from keyun_marketplace.matching.segment import Array, Segment
from keyun_marketplace.matching.tokens import BIGRAM

LONGEST_PHRASE = 12
MOST_PHRASES = 12


@dataclass(frozen=True, slots=True)
class Places:
    """Where the words and terms of a query stand: words that do not overlap, and term to word numbers."""

    text: str
    units: tuple[Span, ...]
    touched: Mapping[str, tuple[int, ...]]
    joined: tuple[tuple[str, ...], ...]


def places(analyzer: Analyzer, text: str) -> Places:
    """Lay the terms of ``text`` over its words."""
    units = analyzer.units(text)
    owner: dict[int, int] = {}
    for number, unit in enumerate(units):
        for at in range(unit.start, unit.end):
            owner[at] = number
    touched: dict[str, set[int]] = {}
    for prefix, spans in (("", analyzer.spans(text)), (BIGRAM, analyzer.bigrams(text))):
        for span in spans:
            found = touched.setdefault(prefix + span.word, set())
            found.update(owner[at] for at in range(span.start, span.end) if at in owner)
    folded = analyzer.fold(text)
    joined = tuple(
        (BIGRAM + folded[a.end - 1 : a.end + 1],) if a.end == b.start else ()
        for a, b in zip(units, units[1:], strict=False)
    )
    return Places(text, tuple(units), {t: tuple(sorted(n)) for t, n in touched.items()}, joined)


def contributions(segment: Segment, terms: Array, weights: Array, documents: Array) -> Array:
    """What each term (row) adds to each document (column): float64, zero where it does not occur."""
    table = np.zeros((len(terms), len(documents)))
    order = np.argsort(documents)
    asked = documents[order]
    for row, (term, weight) in enumerate(zip(terms, weights, strict=True)):
        start, end = segment.pointer[term], segment.pointer[term + 1]
        ids = segment.ids[start:end]
        place = np.searchsorted(ids, asked)
        inside = place < len(ids)
        hit = np.zeros(len(asked), bool)
        hit[inside] = ids[place[inside]] == asked[inside]
        table[row, order[hit]] = segment.impacts[start:end][place[hit]] * weight
    return table


def phrases(where: Places, matched: Mapping[str, float]) -> list[Part]:
    """Tell ``matched`` (term to contribution) as phrases of the query, the largest first."""
    whole = [u.word in matched for u in where.units]
    value = [0.0] * len(where.units)
    rest = 0.0
    for term, amount in matched.items():
        takers = [n for n in where.touched.get(term, ()) if whole[n]]
        for n in takers:
            value[n] += amount / len(takers)
        if not takers:
            rest += amount
    found: dict[str, float] = {}
    for group in _groups(where, whole, matched):
        text = where.text[where.units[group[0]].start : where.units[group[-1]].end]
        found[text] = found.get(text, 0.0) + sum(value[n] for n in group)
    parts = sorted((Part("terms", v, t) for t, v in found.items()), key=lambda p: (-p.value, p.text))
    rest += sum(p.value for p in parts[MOST_PHRASES:])
    parts = parts[:MOST_PHRASES]
    return [*parts, Part("wording", rest)] if rest > 0 else parts


def _groups(where: Places, whole: Sequence[bool], matched: Mapping[str, float]) -> list[list[int]]:
    """Neighbouring matched words that the record has side by side belong to one phrase."""
    groups: list[list[int]] = []
    for number, unit in enumerate(where.units):
        if not whole[number]:
            continue
        previous = groups[-1] if groups else None
        if (
            previous
            and previous[-1] == number - 1
            and where.joined[number - 1]
            and all(t in matched for t in where.joined[number - 1])
            and unit.end - where.units[previous[0]].start <= LONGEST_PHRASE
        ):
            previous.append(number)
        else:
            groups.append([number])
    return groups
