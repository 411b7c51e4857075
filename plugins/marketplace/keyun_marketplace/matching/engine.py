"""The matcher of one process: mapped main arrays, a private delta, and exact explanations."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keyun.regions import nearness
from keyun.search import Analyzer
from keyun_marketplace.matching import store
from keyun_marketplace.matching.asked import Asked, take_apart
from keyun_marketplace.matching.delta import Delta, Tier
from keyun_marketplace.matching.explain import phrases, shares
from keyun_marketplace.matching.factors import Factors
from keyun_marketplace.matching.kernels import Kernel
from keyun_marketplace.matching.records import KIND_NUMBER, Candidate, Part, Query, Record, Weights
from keyun_marketplace.matching.segment import Array, Segment, build

#: Neighbours that vote on the discipline of a text, and the share of votes that is worth telling.
VOTERS = 30
CONFIDENT = 0.3
#: Below so many records every term counts, however common.
SIZEABLE = 1000
#: So many rarer terms say what a query is about; with fewer, its common ones count too.
TELLING = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """The best candidates of each kind, best first; ``usable`` is false when no word could be looked up."""

    candidates: Mapping[str, Sequence[Candidate]]
    usable: bool
    discipline: str | None = None
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class _Scored:
    """A segment with the text scores of one query."""

    segment: Segment
    dead: Array
    terms: Array
    weights: Array
    scores: Array


class _Guess(NamedTuple):
    """The discipline a query has, and how sure that is (1 when declared)."""

    discipline: str | None
    confidence: float


class Matcher:
    """Answers queries over one set of records. Safe to use from several threads."""

    def __init__(
        self, main: Segment, analyzer: Analyzer, kernel: Kernel, weights: Weights | None = None
    ) -> None:
        self.main = main
        self.analyzer = analyzer
        self.kernel = kernel
        self.weights = weights or Weights()
        self._delta = Delta(main, analyzer, self.weights)
        self._local = threading.local()

    @classmethod
    def of(
        cls, records: Iterable[Record], analyzer: Analyzer, kernel: Kernel, weights: Weights | None = None
    ) -> Matcher:
        """Build one in memory from ``records`` in any order."""
        ordered = sorted(records, key=lambda r: r.key)
        return cls(build(ordered, analyzer, weights or Weights()), analyzer, kernel, weights)

    @classmethod
    def open(
        cls, folder: Path, analyzer: Analyzer, kernel: Kernel, weights: Weights | None = None
    ) -> Matcher:
        """Map the current index in ``folder``.

        :raises keyun_marketplace.matching.store.IndexMissing: naming the command that makes it.
        """
        return cls(store.read(folder).segment, analyzer, kernel, weights)

    @property
    def pending(self) -> int:
        """How many records differ from the main arrays."""
        return len(self._delta.records)

    def versions(self) -> dict[int, int]:
        """Every key that can be found, with the version of its record."""
        found = dict(zip(self.main.keys.tolist(), self.main.versions.tolist(), strict=True))
        for key, record in self._delta.records.items():
            if record is None:
                found.pop(key, None)
            else:
                found[key] = record.version
        return found

    def apply(self, changed: Iterable[Record], gone: Iterable[int] = ()) -> None:
        """Add or replace records and remove keys; the next query sees it.

        Until the next build idf and mean length stay those of the main arrays.
        """
        self._delta.apply(changed, gone)

    def match(self, query: Query, top: Mapping[str, int]) -> Answer:
        """The best ``top[kind]`` records of each kind for ``query``, explained."""
        asked = take_apart(self.analyzer, query)
        asked = asked.without(self._too_common(asked))
        scored = [self._score(tier, asked, query) for tier in self._delta.tiers]
        usable = any((s.terms >= 0).any() for s in scored)
        guess = _Guess(query.discipline, 1.0 if query.discipline else 0.0)
        if usable and query.discipline is None and query.predict:
            guess = self._predict(scored, query, top)
        candidates: dict[str, Sequence[Candidate]] = dict.fromkeys(top, ())
        if usable:
            candidates |= {
                kind: self._best(scored, query, kind, k, guess, asked) for kind, k in top.items() if k > 0
            }
        self._give_back(scored[0].scores)
        return Answer(candidates, usable, guess.discipline, guess.confidence)

    def _score(self, tier: Tier, asked: Asked, query: Query) -> _Scored:
        segment = tier.segment
        scores = self._borrow() if segment is self.main else np.zeros(segment.size, np.float32)
        terms = np.where(asked.weights > 0, segment.term_numbers(asked.hashes), -1)
        known = terms >= 0
        self.kernel.accumulate(segment, terms[known], asked.weights[known], scores)
        return _Scored(segment, _excluded(tier, query), terms, asked.weights, scores)

    def _too_common(self, asked: Asked) -> Array:
        """Which terms so many records have that they tell nothing beside the others of the query.

        None in a small index, and none in a query that would be left with fewer than ``TELLING`` terms.
        """
        if self.main.size < SIZEABLE:
            return np.zeros(len(asked.hashes), bool)
        terms = self.main.term_numbers(asked.hashes)
        frequency = self.main.pointer[terms + 1] - self.main.pointer[terms]
        common: Array = (terms >= 0) & (frequency > self.weights.common * self.main.size)
        if np.count_nonzero((terms >= 0) & ~common) < TELLING:
            common[:] = False
        return common

    def _borrow(self) -> Array:
        """A zeroed array, one value for each record of the main segment; a query that fails keeps it."""
        scores: Array | None = getattr(self._local, "scores", None)
        self._local.scores = None
        return np.zeros(self.main.size, np.float32) if scores is None else scores

    def _give_back(self, scores: Array) -> None:
        scores.fill(0)
        self._local.scores = scores

    def _factors(
        self, segment: Segment, query: Query, kind: str, discipline: str | None, confidence: float
    ) -> Factors:
        w, f32 = self.weights, np.float32
        names = segment.discipline_names
        return Factors(
            kind=KIND_NUMBER[kind],
            owner=query.owner,
            organization=query.organization,
            discipline=names.index(discipline) if discipline in names else -1,
            region=int(query.region or 0),
            fresh_since=query.day - w.fresh_days if query.day else 2**31 - 1,
            field=f32(w.field * confidence),
            county=f32(w.county),
            city=f32(w.city),
            province=f32(w.province),
            verified=f32(w.verified),
            fresh=f32(w.fresh),
        )

    def _predict(self, scored: Sequence[_Scored], query: Query, kinds: Iterable[str]) -> _Guess:
        """Let the nearest neighbours vote with their text scores; no answer below a clear share."""
        votes: dict[str, float] = {}
        for kind in kinds:
            for score, name in self._neighbours(scored, query, kind):
                if name is not None:
                    votes[name] = votes.get(name, 0.0) + score**2
        if not votes:
            return _Guess(None, 0.0)
        best = max(votes, key=lambda n: (votes[n], n))
        share = votes[best] / sum(votes.values())
        return _Guess(best, share) if share >= CONFIDENT else _Guess(None, 0.0)

    def _neighbours(
        self, scored: Sequence[_Scored], query: Query, kind: str
    ) -> Sequence[tuple[float, str | None]]:
        """Text score and discipline of the records of one kind that are nearest by text alone."""
        rows: list[tuple[float, int, str | None]] = []
        for s in scored:
            plain = self._factors(s.segment, query, kind, None, 0.0)._replace(
                region=0, verified=np.float32(0), fresh_since=2**31 - 1
            )
            docs, scores = self.kernel.select(s.segment, s.scores, s.dead, plain, VOTERS)
            numbers, names = s.segment.disciplines[docs].tolist(), s.segment.discipline_names
            rows += [
                (-score, key, names[n] if n >= 0 else None)
                for score, key, n in zip(scores.tolist(), s.segment.keys[docs].tolist(), numbers, strict=True)
            ]
        return [(-negative, name) for negative, _, name in sorted(rows, key=lambda r: r[:2])[:VOTERS]]

    def _best(
        self, scored: Sequence[_Scored], query: Query, kind: str, k: int, guess: _Guess, asked: Asked
    ) -> Sequence[Candidate]:
        rows: list[tuple[float, int, int, int]] = []
        for number, s in enumerate(scored):
            factors = self._factors(s.segment, query, kind, guess.discipline, guess.confidence)
            docs, totals = self.kernel.select(s.segment, s.scores, s.dead, factors, k)
            rows += [
                (-float(total), int(s.segment.keys[doc]), number, int(doc))
                for doc, total in zip(docs, totals, strict=True)
            ]
        best = sorted(rows)[:k]
        found: dict[tuple[int, int], Candidate] = {}
        for number, s in enumerate(scored):
            mine = [r for r in best if r[2] == number]
            if not mine:
                continue
            documents = np.array([r[3] for r in mine], np.int32)
            table = self.kernel.contributions(s.segment, s.terms, s.weights, documents)
            texts, told = table.sum(axis=0).tolist(), shares(asked, table)
            for column, (negative, key, _, doc) in enumerate(mine):
                parts = phrases(asked, told, column)
                parts += self._bonuses(s.segment, doc, query, guess, texts[column])
                found[number, doc] = Candidate(key, kind, *_exact(-negative, parts))
        return [found[r[2], r[3]] for r in best]

    def _bonuses(self, segment: Segment, doc: int, query: Query, guess: _Guess, text: float) -> list[Part]:
        """The shares of the text's score that this record gained, as the kernel added them."""
        w, parts = self.weights, []
        number = int(segment.disciplines[doc])
        if number >= 0 and segment.discipline_names[number] == guess.discipline:
            name = "field" if query.discipline else "field-predicted"
            parts.append(Part(name, text * w.field * guess.confidence, guess.discipline or ""))
        near = nearness(query.region, f"{int(segment.regions[doc]):06d}")
        if near is not None:
            parts.append(Part("near", text * float(getattr(w, near)), near))
        if segment.verified[doc]:
            parts.append(Part("verified", text * w.verified))
        if query.day and segment.days[doc] >= query.day - w.fresh_days:
            parts.append(Part("fresh", text * w.fresh))
        return parts


def _excluded(tier: Tier, query: Query) -> Array:
    """Which records of ``tier`` (int8, 1: left out) no answer to ``query`` may hold."""
    left_out = tier.dead
    if query.blocked:
        left_out = left_out | np.isin(tier.segment.owners, query.blocked)
    if query.within:
        step = 10 ** (6 - len(query.within))
        left_out = left_out | (tier.segment.regions // step != int(query.within))
    return left_out.astype(np.int8, copy=False)


def _exact(total: float, parts: Sequence[Part]) -> tuple[float, tuple[Part, ...]]:
    """Round to four decimals so that the parts still add up; float32 leaves less than that over."""
    score = round(total, 4)
    values = [round(p.value, 4) for p in parts]
    if values:
        values[0] = round(values[0] + score - sum(values), 4)
    return score, tuple(Part(p.name, v, p.text) for p, v in zip(parts, values, strict=True) if v)
