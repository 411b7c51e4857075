"""The compiled kernel: term at a time into one float32 per record, then a heap of the best.

Never ``parallel=True`` (it dies on fork) and never ``fastmath`` (it would change the order of additions,
and with it the ranking). Compiled code is cached; :func:`keyun_marketplace.matching.kernels.choose`
says where.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from keyun_marketplace.matching.factors import Factors
from keyun_marketplace.matching.segment import Array, Segment

#: Scores that are looked at together.
BLOCK = 256
_jit: Any = numba.njit(cache=True, nogil=True)


@_jit  # type: ignore[untyped-decorator]
def _accumulate(pointer: Any, ids: Any, impacts: Any, terms: Any, weights: Any, scores: Any) -> None:
    for j in range(terms.shape[0]):
        weight = weights[j]
        for p in range(pointer[terms[j]], pointer[terms[j] + 1]):
            scores[ids[p]] += impacts[p] * weight


@_jit  # type: ignore[untyped-decorator]
def _worse(a: Any, i: Any, b: Any, j: Any) -> Any:
    return a < b or (a == b and i > j)


@_jit  # type: ignore[untyped-decorator]
def _sift(top: Any, docs: Any, size: int, score: Any, doc: Any) -> None:
    """Put (score, doc) in the place of the root of the heap, whose root is the worst."""
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and _worse(top[child + 1], docs[child + 1], top[child], docs[child]):
            child += 1
        if not _worse(top[child], docs[child], score, doc):
            break
        top[i] = top[child]
        docs[i] = docs[child]
        i = child
    top[i] = score
    docs[i] = doc


@_jit  # type: ignore[untyped-decorator]
def _any_above(scores: Any, start: int, end: int, most: Any, floor: Any) -> Any:
    # Counting has no early exit, so that the compiler can look at many scores at a time.
    count = 0
    for d in range(start, end):
        count += scores[d] * most >= floor
    return count > 0


@_jit  # type: ignore[untyped-decorator]
def _select(  # noqa: C901 - one loop over all records; calls inside it would cost more than they explain
    scores: Any, dead: Any, kinds: Any, owners: Any, organizations: Any, disciplines: Any, regions: Any,
    verified: Any, days: Any,
    f: Any, top: Any, docs: Any,
) -> int:  # fmt: skip
    k = top.shape[0]
    size = 0
    zero = np.float32(0)
    one = np.float32(1)
    # The least score that still counts; zero until the heap is full.
    floor = zero
    # No record gains more than all bonuses; added in the order of the real ones, so never rounded below.
    nearest = max(f.county, f.city, f.province)
    most = one + f.field + nearest + f.verified + f.fresh
    most_elsewhere = one + nearest + f.verified + f.fresh
    for start in range(0, scores.shape[0], BLOCK):
        end = min(start + BLOCK, scores.shape[0])
        if not _any_above(scores, start, end, most, floor):
            continue
        for d in range(start, end):
            text = scores[d]
            if text * most < floor or text <= zero:
                continue
            factor = one
            if f.discipline >= 0 and disciplines[d] == f.discipline:
                factor += f.field
            elif text * most_elsewhere < floor:
                continue
            if dead[d] != 0 or kinds[d] != f.kind:
                continue
            if f.owner != 0 and owners[d] == f.owner:
                continue
            if f.organization != 0 and organizations[d] == f.organization:
                continue
            if f.region > 0:
                near = zero
                if regions[d] // 10000 == f.region // 10000:
                    near = f.province
                    if regions[d] // 100 == f.region // 100 and f.region % 10000 >= 100:
                        near = f.city
                    if regions[d] == f.region and f.region % 100 != 0:
                        near = f.county
                factor += near
            if verified[d] != 0:
                factor += f.verified
            if days[d] >= f.fresh_since:
                factor += f.fresh
            total = text * factor
            if size < k:
                # Fill from the end of the array: sift up.
                i = size
                size += 1
                while i > 0:
                    parent = (i - 1) // 2
                    if not _worse(total, d, top[parent], docs[parent]):
                        break
                    top[i] = top[parent]
                    docs[i] = docs[parent]
                    i = parent
                top[i] = total
                docs[i] = d
                if size == k:
                    floor = top[0]
            elif _worse(top[0], docs[0], total, d):
                _sift(top, docs, k, total, d)
                floor = top[0]
    return size


@_jit  # type: ignore[untyped-decorator]
def _contributions(
    pointer: Any, ids: Any, impacts: Any, terms: Any, weights: Any, documents: Any, table: Any
) -> None:
    for row in range(terms.shape[0]):
        if terms[row] < 0:
            continue
        start, end = pointer[terms[row]], pointer[terms[row] + 1]
        for column in range(documents.shape[0]):
            low, high = start, end
            while low < high:
                middle = (low + high) // 2
                if ids[middle] < documents[column]:
                    low = middle + 1
                else:
                    high = middle
            if low < end and ids[low] == documents[column]:
                table[row, column] = impacts[low] * weights[row]


def accumulate(segment: Segment, terms: Array, weights: Array, scores: Array) -> None:
    """Add the impacts of ``terms`` (numbers, in this order) times ``weights`` to ``scores`` (float32)."""
    _accumulate(segment.pointer, segment.ids, segment.impacts, terms, weights, scores)


def select(segment: Segment, scores: Array, dead: Array, factors: Factors, k: int) -> tuple[Array, Array]:
    """The best ``k`` living records and their scores with all factors; ties by record number."""
    top, docs = np.zeros(k, np.float32), np.zeros(k, np.int32)
    size = _select(
        scores, dead, segment.kinds, segment.owners, segment.organizations, segment.disciplines,
        segment.regions, segment.verified,
        segment.days, factors, top, docs,
    )  # fmt: skip
    top, docs = top[:size], docs[:size]
    order = np.lexsort((docs, -top))
    return docs[order], top[order]


def contributions(segment: Segment, terms: Array, weights: Array, documents: Array) -> Array:
    """What each term (row) adds to each document (column): float64, zero where it does not occur."""
    table = np.zeros((len(terms), len(documents)))
    _contributions(segment.pointer, segment.ids, segment.impacts, terms, weights, documents, table)
    return table
