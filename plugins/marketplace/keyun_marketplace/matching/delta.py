"""What differs from the main arrays in one process: a few small segments beside them, seen at once.

Adding a record lays out a segment of that record alone and joins it with younger segments that are not
much larger, so the cost of one more record does not grow with those that wait for the next build, and
a query meets few segments. Idf and mean length stay those of the main arrays until then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keyun.search import Analyzer
from keyun_marketplace.matching.records import Record, Weights
from keyun_marketplace.matching.segment import Array, Bag, Segment, bag_of, build_from_bags, statistics

#: A segment is joined with the new one when it has at most so many times its records.
NOT_MUCH_LARGER = 3


@dataclass(frozen=True, slots=True)
class Tier:
    """A segment and which of its records (int8, 1: no more) have been replaced or removed since."""

    segment: Segment
    dead: Array

    def without(self, keys: Array) -> Tier:
        """The same tier whose records with one of ``keys`` (int64) are no more."""
        place = np.searchsorted(self.segment.keys, keys)
        place, keys = place[place < self.segment.size], keys[place < self.segment.size]
        hit = place[self.segment.keys[place] == keys]
        if not len(hit):
            return self
        dead = self.dead.copy()
        dead[hit] = 1
        return Tier(self.segment, dead)

    def living(self) -> list[int]:
        """The keys that can be found in it."""
        found: list[int] = self.segment.keys[self.dead == 0].tolist()
        return found


def fresh(segment: Segment) -> Tier:
    """A tier of which every record lives."""
    return Tier(segment, np.zeros(segment.size, np.int8))


class Delta:
    """The main segment and everything that changed since it was built. Safe to use from several threads."""

    def __init__(self, main: Segment, analyzer: Analyzer, weights: Weights) -> None:
        self._analyzer, self._weights = analyzer, weights
        self._main, self._frozen = main, statistics(main)
        self._lock = threading.Lock()
        self._records: dict[int, Record | None] = {}
        self._bags: dict[int, Bag] = {}
        self._tiers: tuple[Tier, ...] = (fresh(main),)
        self._young = False

    @property
    def tiers(self) -> Sequence[Tier]:
        """What a query looks at: the main segment first. Never changed in place."""
        return self._tiers

    @property
    def records(self) -> Mapping[int, Record | None]:
        """Every key that differs from the main segment, with its record (None: removed)."""
        return self._records

    def apply(self, changed: Iterable[Record], gone: Iterable[int]) -> None:
        """Add or replace records, remove keys; one that is both changed and gone is gone."""
        with self._lock:
            news: dict[int, Record | None] = {r.key: r for r in changed}
            news |= dict.fromkeys(gone)
            if not news:
                return
            # Assigned anew, never changed in place: another thread may be reading it.
            self._records = self._records | news
            for key, record in news.items():
                if record is None:
                    self._bags.pop(key, None)
                else:
                    self._bags[key] = bag_of(record, self._analyzer, self._weights)
            keys = np.array(list(news), np.int64)
            tiers = [t.without(keys) for t in self._tiers]
            # Statistics of fewer records than the delta has say nothing; it is then one segment with its own.
            was_young, self._young = self._young, self._main.size < len(self._bags)
            if self._young or was_young:
                tiers[1:], add = [], sorted(self._bags)
            else:
                add = [k for k, r in news.items() if r is not None]
            self._tiers = (tiers[0], *self._joined(tiers[1:], add))

    def _joined(self, tiers: list[Tier], add: list[int]) -> list[Tier]:
        living = [(t, found) for t in tiers if (found := t.living())]
        while add and living and len(living[-1][1]) <= NOT_MUCH_LARGER * len(add):
            add = add + living.pop()[1]
        left = [t for t, _ in living]
        return [*left, self._laid_out(sorted(add))] if add else left

    def _laid_out(self, keys: Sequence[int]) -> Tier:
        records = [r for k in keys if (r := self._records[k]) is not None]
        frozen = None if self._young else self._frozen
        return fresh(build_from_bags(records, self._bags, self._weights, frozen))
