"""A query taken apart once: its terms in a fixed order, and where they stand over its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from keyun.search import HAN, Analyzer, Span
from keyun_marketplace.matching.records import Query
from keyun_marketplace.matching.segment import Array
from keyun_marketplace.matching.tokens import BIGRAM, term_hash


@dataclass(frozen=True, slots=True)
class Asked:
    """``terms`` are distinct, ``weights`` (float32) say how much each counts, ``hashes`` name them.

    ``units`` are the words of ``text`` that do not overlap; term ``over_terms[i]`` stands over unit
    ``over_units[i]`` (distinct pairs, ascending), ``unit_terms`` says which term a unit is, ``crossings``
    which bigram crosses from a unit to the next (-1: they do not touch).
    """

    text: str
    terms: Sequence[str]
    hashes: Sequence[int]
    weights: Array
    units: Sequence[Span]
    over_terms: Array
    over_units: Array
    unit_terms: Array
    crossings: Array

    def without(self, left_out: Array) -> Asked:
        """The same query whose terms at ``left_out`` (bool) are not looked up."""
        if not left_out.any():
            return self
        weights = np.where(left_out, np.float32(0), self.weights)
        return replace(self, weights=weights)


def take_apart(analyzer: Analyzer, query: Query) -> Asked:
    """Segment ``query`` and lay its terms over its words.

    A term that is written several times counts a little more; one among the keywords counts twice.
    """
    text = query.text
    folded = analyzer.fold(text)
    units = analyzer.units(text)
    unit_at = [-1] * len(text)
    for number, unit in enumerate(units):
        unit_at[unit.start : unit.end] = [number] * (unit.end - unit.start)
    numbers: dict[str, int] = {}
    counts: list[int] = []
    pairs: set[tuple[int, int]] = set()

    def meet(term: str, start: int, end: int) -> None:
        number = numbers.setdefault(term, len(counts))
        if number == len(counts):
            counts.append(0)
        counts[number] += 1
        for at in range(start, end):
            pairs.add((number, unit_at[at]))

    for word, start, end in analyzer.spans(text):
        meet(word, start, end)
    for run in HAN.finditer(folded):
        for start in range(run.start(), run.end() - 1):
            meet(BIGRAM + folded[start : start + 2], start, start + 2)
    # A unit is a word of its own even where search mode cuts differently.
    for unit in units:
        if unit.word not in numbers:
            meet(unit.word, unit.start, unit.end)
    over = np.array(sorted(p for p in pairs if p[1] >= 0), np.int64).reshape(-1, 2)
    keyword = _keyword_terms(analyzer, query)
    weights = [
        (1.0 + min(c - 1, 3) * 0.15) * (2.0 if t in keyword else 1.0)
        for t, c in zip(numbers, counts, strict=True)
    ]
    return Asked(
        text=text,
        terms=list(numbers),
        hashes=[term_hash(t) for t in numbers],
        weights=np.array(weights, np.float32),
        units=units,
        over_terms=over[:, 0],
        over_units=over[:, 1],
        unit_terms=np.array([numbers[u.word] for u in units], np.int64),
        crossings=np.array(
            [
                numbers.get(BIGRAM + folded[a.end - 1 : a.end + 1], -1) if a.end == b.start else -1
                for a, b in pairwise(units)
            ],
            np.int64,
        ),
    )


def _keyword_terms(analyzer: Analyzer, query: Query) -> frozenset[str]:
    if not query.keywords:
        return frozenset()
    text = "，".join(query.keywords)
    folded = analyzer.fold(text)
    pairs = {BIGRAM + r.group()[i : i + 2] for r in HAN.finditer(folded) for i in range(len(r.group()) - 1)}
    return frozenset(analyzer.words(text)) | pairs
