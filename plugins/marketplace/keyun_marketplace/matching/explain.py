"""Why a record fits: its exact score, told in words of the query that a manager can read.

Every query term (a word or a pair of characters) that a record has contributes its impact. The
contributions are handed to the words of the query they overlap; what touches no wholly matched word
is told as "other similar wording". Nothing is estimated: the parts add up to the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keyun_marketplace.matching.asked import Asked
from keyun_marketplace.matching.records import Part
from keyun_marketplace.matching.segment import Array

LONGEST_PHRASE = 12
MOST_PHRASES = 12


@dataclass(frozen=True, slots=True)
class Shares:
    """The contributions of all terms handed to words, for several records at once.

    ``whole`` (words × records) says which words of the query a record has as they are, ``value`` what
    each adds, ``beside`` whether the record also has a word and the next one side by side, ``rest``
    (records) what belongs to no whole word.
    """

    whole: Array
    value: Array
    beside: Array
    rest: Array


def shares(asked: Asked, table: Array) -> Shares:
    """Hand ``table`` (terms × records, float64, zero where a term does not occur) to the words."""
    has = table > 0
    whole = has[asked.unit_terms] if len(asked.units) else np.zeros((0, table.shape[1]), bool)
    takers = _sums(whole[asked.over_units], asked.over_terms, len(table))
    each = np.divide(table, takers, out=np.zeros_like(table), where=takers > 0)
    order = np.argsort(asked.over_units, kind="stable")
    value = _sums(each[asked.over_terms[order]], asked.over_units[order], len(whole)) * whole
    beside = np.zeros((max(len(asked.units) - 1, 0), table.shape[1]), bool)
    joined = asked.crossings >= 0
    beside[joined] = has[asked.crossings[joined]] & whole[:-1][joined] & whole[1:][joined]
    rest = np.where(takers > 0, 0.0, table).sum(axis=0)
    return Shares(whole, value, beside, rest)


def _sums(rows: Array, groups: Array, count: int) -> Array:
    """Sum ``rows`` by group (ascending numbers below ``count``): float64, (count, columns of ``rows``)."""
    sums = np.zeros((count, rows.shape[1]))
    if len(rows):
        first = np.flatnonzero(np.diff(groups, prepend=-1))
        sums[groups[first]] = np.add.reduceat(rows, first, axis=0, dtype=np.float64)
    return sums


def phrases(asked: Asked, found: Shares, column: int) -> list[Part]:
    """The reasons of one record as phrases of the query, the largest first."""
    value, beside = found.value[:, column].tolist(), found.beside[:, column].tolist()
    sums: dict[str, float] = {}
    for first, last in _groups(asked, np.flatnonzero(found.whole[:, column]).tolist(), beside):
        text = asked.text[asked.units[first].start : asked.units[last].end]
        sums[text] = sums.get(text, 0.0) + sum(value[first : last + 1])
    parts = sorted((Part("terms", v, t) for t, v in sums.items()), key=lambda p: (-p.value, p.text))
    rest = float(found.rest[column]) + sum(p.value for p in parts[MOST_PHRASES:])
    del parts[MOST_PHRASES:]
    if rest > 0:
        parts.append(Part("wording", rest))
    return parts


def _groups(asked: Asked, whole: Sequence[int], beside: Sequence[bool]) -> list[tuple[int, int]]:
    """Neighbouring matched words that the record has side by side belong to one phrase."""
    groups: list[tuple[int, int]] = []
    for number in whole:
        if groups and groups[-1][1] == number - 1 and beside[number - 1]:
            first = groups[-1][0]
            if asked.units[number].end - asked.units[first].start <= LONGEST_PHRASE:
                groups[-1] = (first, number)
                continue
        groups.append((number, number))
    return groups
