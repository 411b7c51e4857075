"""Score and select with numpy alone: slower than the compiled kernel, the same ranking to the last record."""

from __future__ import annotations

import numpy as np

from keyun_marketplace.matching.factors import Factors
from keyun_marketplace.matching.segment import Array, Segment


def accumulate(segment: Segment, terms: Array, weights: Array, scores: Array) -> None:
    """Add the impacts of ``terms`` (numbers, in this order) times ``weights`` to ``scores`` (float32)."""
    for term, weight in zip(terms, weights, strict=True):
        start, end = segment.pointer[term], segment.pointer[term + 1]
        # A term has at most one posting for each record, so this adds each exactly once.
        scores[segment.ids[start:end]] += segment.impacts[start:end] * weight


def select(segment: Segment, scores: Array, dead: Array, factors: Factors, k: int) -> tuple[Array, Array]:
    """The best ``k`` living records and their scores with all factors; ties by record number."""
    ok = (scores > 0) & (dead == 0) & (segment.kinds == factors.kind)
    if factors.owner:
        ok &= segment.owners != factors.owner
    if factors.organization:
        ok &= segment.organizations != factors.organization
    found = np.flatnonzero(ok)
    if not len(found):
        return found.astype(np.int32), np.zeros(0, np.float32)
    total = scores[found] * multipliers(segment, found, factors)
    if len(found) > k:
        edge = np.partition(total, len(total) - k)[len(total) - k]
        keep = total >= edge
        found, total = found[keep], total[keep]
    order = np.lexsort((found, -total))[:k]
    return found[order].astype(np.int32), total[order]


def multipliers(segment: Segment, found: Array, f: Factors) -> Array:
    """One plus the shares each record gains, added in the order field, near, verified, fresh (float32)."""
    value = np.ones(len(found), np.float32)
    if f.discipline >= 0:
        value += np.where(segment.disciplines[found] == f.discipline, f.field, np.float32(0))
    if f.region > 0:
        near = np.zeros(len(found), np.float32)
        regions = segment.regions[found]
        near[regions // 10000 == f.region // 10000] = f.province
        near[(regions // 100 == f.region // 100) & (f.region % 10000 >= 100)] = f.city
        near[(regions == f.region) & (f.region % 100 != 0)] = f.county
        value += near
    value += np.where(segment.verified[found] != 0, f.verified, np.float32(0))
    value += np.where(segment.days[found] >= f.fresh_since, f.fresh, np.float32(0))
    return value


def contributions(segment: Segment, terms: Array, weights: Array, documents: Array) -> Array:
    """What each term (row) adds to each document (column): float64, zero where it does not occur."""
    table = np.zeros((len(terms), len(documents)))
    order = np.argsort(documents)
    asked = documents[order]
    for row, (term, weight) in enumerate(zip(terms, weights, strict=True)):
        if term < 0:
            continue
        start, end = segment.pointer[term], segment.pointer[term + 1]
        ids = segment.ids[start:end]
        place = np.searchsorted(ids, asked)
        hit = np.flatnonzero(ids[np.minimum(place, len(ids) - 1)] == asked)
        table[row, order[hit]] = segment.impacts[start:end][place[hit]] * weight
    return table
