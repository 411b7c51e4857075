"""Immutable columns of an index: postings with precomputed impacts, and one row of facts per record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from keyun.search import Analyzer
from keyun_marketplace.matching.records import KIND_NUMBER, Record, Weights
from keyun_marketplace.matching.tokens import bag, term_hash

Array = npt.NDArray[Any]
CHUNK = 5000
#: Columns of a segment in the order they are stored, with their types.
COLUMNS: tuple[tuple[str, str], ...] = (
    ("vocabulary", "uint64"),
    ("pointer", "int64"),
    ("ids", "int32"),
    ("impacts", "float32"),
    ("keys", "int64"),
    ("kinds", "int8"),
    ("disciplines", "int16"),
    ("regions", "int32"),
    ("verified", "int8"),
    ("days", "int32"),
    ("versions", "int32"),
    ("owners", "int64"),
    ("organizations", "int64"),
)


#: Where the columns begin that hold one value for each record.
FIRST_FACT = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """Records 0 … n-1 in the order of their keys.

    ``vocabulary`` holds the sorted hashes of the terms; the postings of term t are
    ``ids[pointer[t]:pointer[t+1]]`` with the BM25 ``impacts`` of each. ``frequency`` and ``average``
    are the statistics the impacts were made with: ``total`` records, mean length ``average``.
    """

    vocabulary: Array
    pointer: Array
    ids: Array
    impacts: Array
    keys: Array
    kinds: Array
    disciplines: Array
    regions: Array
    verified: Array
    days: Array
    versions: Array
    owners: Array
    organizations: Array
    discipline_names: tuple[str, ...]
    total: int
    average: float

    @property
    def size(self) -> int:
        """How many records it holds."""
        return len(self.keys)

    def term_numbers(self, hashes: Sequence[int]) -> Array:
        """The number of each term, -1 for one that no record has (int64, in the order asked)."""
        asked = np.array(hashes, dtype=np.uint64)
        if not len(self.vocabulary):
            return np.full(len(asked), -1, np.int64)
        place = np.searchsorted(self.vocabulary, asked)
        place[place == len(self.vocabulary)] = 0
        return np.where(self.vocabulary[place] == asked, place, -1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Bag:
    """The terms of one record: hashes (uint64, ascending), weighted frequencies (float32), their sum."""

    hashes: Array
    frequencies: Array
    length: float


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Postings of some records, sorted by term: hashes, record numbers, weighted frequencies."""

    hashes: Array
    ids: Array
    frequencies: Array


class Statistics:
    """Document frequencies and mean length that impacts are made with."""

    def __init__(self, vocabulary: Array, frequency: Array, total: int, average: float) -> None:
        self.vocabulary, self.frequency = vocabulary, frequency
        self.total, self.average = total, average

    def of(self, hashes: Array) -> Array:
        """Document frequency of each hash; 0 for a term that is not known."""
        if not len(self.vocabulary):
            return np.zeros(len(hashes))
        place = np.searchsorted(self.vocabulary, hashes)
        place[place == len(self.vocabulary)] = 0
        return np.where(self.vocabulary[place] == hashes, self.frequency[place], 0)


def build(
    records: Iterable[Record], analyzer: Analyzer, weights: Weights, frozen: Statistics | None = None
) -> Segment:
    """Build a segment. ``records`` come in the order of their keys; memory stays bounded by chunks.

    With ``frozen`` statistics (a delta beside a main segment) idf and mean length are those, and a
    term they do not know counts as one that a single record has.
    """
    chunks: list[_Chunk] = []
    lengths: list[float] = []
    facts = _Facts()
    source = iter(records)
    while part := list(islice(source, CHUNK)):
        chunks.append(_tokenise(part, len(lengths), analyzer, weights, lengths))
        facts.add(part)
    return _assemble(chunks, lengths, facts, weights, frozen)


def bag_of(record: Record, analyzer: Analyzer, weights: Weights) -> Bag:
    """Segment one record, so that a delta can be laid out anew without doing it again."""
    found = bag(analyzer, record, weights)
    hashes = np.array([term_hash(t) for t in found], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    frequencies = np.array(list(found.values()), dtype=np.float32)
    return Bag(hashes[order], frequencies[order], sum(found.values()))


def build_from_bags(
    records: Sequence[Record], bags: Mapping[int, Bag], weights: Weights, frozen: Statistics | None = None
) -> Segment:
    """Like :func:`build`, from the ``bags`` of the records by key; small enough for one chunk."""
    facts = _Facts()
    facts.add(records)
    mine = [bags[r.key] for r in records]
    chunks = []
    if mine:
        hashes = np.concatenate([b.hashes for b in mine])
        ids = np.repeat(np.arange(len(mine), dtype=np.int32), [len(b.hashes) for b in mine])
        order = np.argsort(hashes, kind="stable")
        frequencies = np.concatenate([b.frequencies for b in mine])
        chunks.append(_Chunk(hashes[order], ids[order], frequencies[order]))
    return _assemble(chunks, [b.length for b in mine], facts, weights, frozen)


def _assemble(
    chunks: list[_Chunk], lengths: Sequence[float], facts: _Facts, weights: Weights, frozen: Statistics | None
) -> Segment:
    vocabulary, frequency, pointer = _vocabulary(chunks)
    total = frozen.total if frozen else len(lengths)
    average = frozen.average if frozen else float(np.mean(lengths)) if lengths else 1.0
    known = np.maximum(frozen.of(vocabulary), 1) if frozen else frequency
    idf = np.log1p((total - known + 0.5) / (known + 0.5))
    norms = weights.k1 * (1 - weights.b + weights.b * np.array(lengths) / (average or 1.0))
    ids, impacts = _postings(chunks, vocabulary, pointer, idf, norms, weights.k1)
    columns = {"vocabulary": vocabulary, "pointer": pointer, "ids": ids, "impacts": impacts}
    columns |= facts.columns()
    for column in columns.values():
        # Like the mapped ones: to compiled code a writable array is another type, compiled anew.
        column.setflags(write=False)
    return Segment(**columns, discipline_names=facts.names(), total=total, average=average)


def statistics(segment: Segment) -> Statistics:
    """The statistics of ``segment``, for a delta beside it."""
    return Statistics(segment.vocabulary, np.diff(segment.pointer), segment.total, segment.average)


def _tokenise(
    records: Sequence[Record], first: int, analyzer: Analyzer, weights: Weights, lengths: list[float]
) -> _Chunk:
    hashes: list[int] = []
    counts: list[int] = []
    frequencies: list[float] = []
    for record in records:
        found = bag(analyzer, record, weights)
        hashes += map(term_hash, found)
        frequencies += found.values()
        counts.append(len(found))
        lengths.append(sum(found.values()))
    ids = np.repeat(np.arange(first, first + len(records), dtype=np.int32), counts)
    order = np.argsort(keys := np.array(hashes, dtype=np.uint64), kind="stable")
    return _Chunk(keys[order], ids[order], np.array(frequencies, dtype=np.float32)[order])


def _vocabulary(chunks: Sequence[_Chunk]) -> tuple[Array, Array, Array]:
    """Sorted hashes, how many records have each, and where its postings begin."""
    if not chunks:
        empty = np.zeros(0, np.int64)
        return empty.astype(np.uint64), empty, np.zeros(1, np.int64)
    parts = [np.unique(c.hashes, return_counts=True) for c in chunks]
    vocabulary = np.unique(np.concatenate([p[0] for p in parts]))
    frequency = np.zeros(len(vocabulary), np.int64)
    for found, count in parts:
        frequency[np.searchsorted(vocabulary, found)] += count
    return vocabulary, frequency, np.concatenate([[0], np.cumsum(frequency)]).astype(np.int64)


def _postings(
    chunks: list[_Chunk], vocabulary: Array, pointer: Array, idf: Array, norms: Array, k1: float
) -> tuple[Array, Array]:
    ids = np.zeros(int(pointer[-1]), np.int32)
    impacts = np.zeros(int(pointer[-1]), np.float32)
    following = pointer[:-1].copy()
    while chunks:
        chunk = chunks.pop(0)
        term = np.searchsorted(vocabulary, chunk.hashes)
        found, start, count = np.unique(term, return_index=True, return_counts=True)
        place = following[term] + np.arange(len(term)) - np.repeat(start, count)
        following[found] += count
        tf = chunk.frequencies.astype(np.float64)
        ids[place] = chunk.ids
        impacts[place] = idf[term] * tf * (k1 + 1) / (tf + norms[chunk.ids])
    return ids, impacts


class _Facts:
    """Collects the columns that are not text."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, ...]] = []
        self._disciplines: dict[str, int] = {}

    def add(self, records: Iterable[Record]) -> None:
        for r in records:
            number = -1
            if r.discipline:
                number = self._disciplines.setdefault(r.discipline, len(self._disciplines))
            self.rows.append(
                (
                    r.key,
                    KIND_NUMBER[r.kind],
                    number,
                    int(r.region or 0),
                    int(r.verified),
                    r.day,
                    r.version,
                    r.owner,
                    r.organization,
                )
            )

    def names(self) -> tuple[str, ...]:
        return tuple(self._disciplines)

    def columns(self) -> dict[str, Array]:
        types = dict(COLUMNS)
        names = tuple(name for name, _ in COLUMNS[FIRST_FACT:])
        table = list(zip(*self.rows, strict=True)) if self.rows else [()] * len(names)
        return {n: np.array(c, dtype=types[n]) for n, c in zip(names, table, strict=True)}


def in_order(records: Iterable[Record]) -> Iterator[Record]:
    """Pass ``records`` on, refusing a key that does not follow the one before it."""
    last: int | None = None
    for record in records:
        if last is not None and record.key <= last:
            raise ValueError(f"records must come in the order of their keys; {record.key} follows {last}")
        last = record.key
        yield record
