"""Turn records into counters and sets of people. No database, no clock: arrays in, arrays out."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from keyun_usage.layout import FORGOTTEN
from keyun_usage.reading import Array, Batch
from keyun_usage.rules import Rule, judged

#: Offsets of time zones change at quarters of an hour, so the local day is the same within one.
SLOT = 900
MOST_SLOTS = 200_000
#: Above this many possible groups, sort instead of counting into a table.
MOST_CELLS = 30_000_000
UNKNOWN = 0
#: What a code means on a day: the code of the place, or ``UNKNOWN``.
Resolve = Callable[[int, dt.date], int]
RuleOf = Callable[[int], Rule]


@dataclass(frozen=True, slots=True)
class Row:
    """One counter: person-times of accounts and of visitors."""

    day: int
    region: int
    channel: str
    subject: str
    rule: str
    verdict: int
    users: int
    visitors: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What a batch adds: counters, and who came by (month, region, rule), sorted and without repeats."""

    rows: tuple[Row, ...]
    people: Mapping[tuple[int, int, str], Array]
    records: int
    first_day: int | None = None
    last_day: int | None = None


def as_number(day: dt.date) -> int:
    """``20261124`` for a day: sorts, compares and reads well."""
    return day.year * 10000 + day.month * 100 + day.day


def as_day(number: int) -> dt.date:
    """The day that ``20261124`` stands for."""
    return dt.date(number // 10000, number // 100 % 100, number % 100)


def count(
    batch: Batch, zone: zoneinfo.ZoneInfo, resolve: Resolve, rule_of: RuleOf, forgotten: Array | None = None
) -> Counted:
    """Group ``batch`` by local day, place, channel, subject and verdict, and collect the people who count."""
    if not len(batch):
        return Counted((), {}, 0)
    days, day = days_of(batch.records["at"], zone)
    rules = [rule_of(d) for d in days]
    places, place = _places(batch.records["region"], day, days, resolve)
    verdict = _verdicts(batch, day, rules)
    rows = _rows(batch, days, day, rules, places, place, verdict)
    counts = batch.registered & (verdict == 0) & ((batch.records["flags"] & FORGOTTEN) == 0)
    if forgotten is not None and len(forgotten):
        counts &= ~np.isin(batch.records["person"], forgotten)
    people = _people(batch, counts, days, day, rules, places, place)
    return Counted(rows, people, len(batch), days[0], days[-1])


def days_of(at: Array, zone: zoneinfo.ZoneInfo) -> tuple[list[int], Array]:
    """The local days that occur, in order, and for each record which of them it is."""
    slots: Array = at // SLOT
    low, high = int(slots.min()), int(slots.max())
    if high - low <= MOST_SLOTS:
        known = np.arange(low, high + 1)
        index: Array = slots - np.uint32(low)
    else:
        # Clocks were wrong by years: look at the slots that occur.
        known, index = np.unique(slots, return_inverse=True)
    of_slot = np.array([_local(int(s) * SLOT, zone) for s in known], dtype=np.int32)
    occurs = np.zeros(len(known), dtype=bool)
    occurs[index] = True
    days = np.unique(of_slot[occurs])
    return [int(d) for d in days], np.searchsorted(days, of_slot).astype(np.int32)[index]


def _local(seconds: int, zone: zoneinfo.ZoneInfo) -> int:
    return as_number(dt.datetime.fromtimestamp(seconds, zone).date())


def _places(codes: Array, day: Array, days: list[int], resolve: Resolve) -> tuple[list[int], Array]:
    """The places that occur, and for each record which of them it is: the code as of its day."""
    known, index = _compact(np.where(codes <= 999_999, codes, 0), 1_000_000)
    pair = day * np.int32(len(known)) + index
    occurs = np.flatnonzero(np.bincount(pair, minlength=len(days) * len(known)))
    meant = np.zeros(len(days) * len(known), dtype=np.int32)
    for p in occurs:
        which, code = divmod(int(p), len(known))
        meant[p] = resolve(int(known[code]), as_day(days[which]))
    places, position = np.unique(meant[occurs], return_inverse=True)
    table = np.zeros(len(meant), dtype=np.int32)
    table[occurs] = position
    return [int(p) for p in places], table[pair]


def _compact(values: Array, most: int) -> tuple[Array, Array]:
    """The values below ``most`` that occur, and for each entry which of them it is."""
    occurs = np.zeros(most, dtype=bool)
    occurs[values] = True
    known = np.flatnonzero(occurs)
    table = np.zeros(most, dtype=np.int32)
    table[known] = np.arange(len(known), dtype=np.int32)
    return known, table[values]


def _verdicts(batch: Batch, day: Array, rules: list[Rule]) -> Array:
    if len({r.id for r in rules}) == 1:
        return judged(rules[0], batch)
    verdict = np.zeros(len(batch), dtype=np.uint8)
    for rule_id in {r.id for r in rules}:
        mine = np.isin(day, [n for n, r in enumerate(rules) if r.id == rule_id])
        verdict[mine] = judged(next(r for r in rules if r.id == rule_id), batch.where(mine))
    return verdict


def _rows(
    batch: Batch,
    days: list[int],
    day: Array,
    rules: list[Rule],
    places: list[int],
    place: Array,
    verdict: Array,
) -> tuple[Row, ...]:
    channels, channel = _compact(batch.records["channel"], 256)
    subjects, subject = _compact(batch.records["subject"], 256)
    verdicts, judged_as = _compact(verdict, 256)
    shape = (len(days), len(places), len(channels), len(subjects), len(verdicts), 2)
    visitor = ~batch.registered
    cell = np.ravel_multi_index((day, place, channel, subject, judged_as, visitor.astype(np.int32)), shape)
    if np.prod(shape, dtype=np.int64) <= MOST_CELLS:
        table = np.bincount(cell, minlength=int(np.prod(shape))).reshape(-1, 2)
        filled = np.flatnonzero(table.any(axis=1))
        pairs = table[filled]
    else:
        known, numbers = np.unique(cell, return_counts=True)
        filled, position = np.unique(known // 2, return_inverse=True)
        pairs = np.zeros((len(filled), 2), dtype=np.int64)
        pairs[position, known % 2] = numbers
    d, p, c, s, v = (axis.tolist() for axis in np.unravel_index(filled, shape[:-1]))
    words = batch.words
    names = [words.get(int(n), "") for n in channels]
    types = [words.get(int(n), "") for n in subjects]
    of_verdict = [int(n) for n in verdicts]
    return tuple(
        Row(days[i], places[j], names[k], types[m], rules[i].id, of_verdict[n], users, visitors)
        for i, j, k, m, n, (users, visitors) in zip(d, p, c, s, v, pairs.tolist(), strict=True)
    )


def _people(
    batch: Batch,
    counts: Array,
    days: list[int],
    day: Array,
    rules: list[Rule],
    places: list[int],
    place: Array,
) -> dict[tuple[int, int, str], Array]:
    """Who came, by month, place and rule; a number is an account's, which fits 32 bits."""
    groups = sorted({(d // 100, r.id) for d, r in zip(days, rules, strict=True)})
    of_day = np.array(
        [groups.index((d // 100, r.id)) for d, r in zip(days, rules, strict=True)], dtype=np.uint64
    )
    key = (of_day[day[counts]] * np.uint64(len(places)) + place[counts].astype(np.uint64)) << np.uint64(32)
    key |= batch.records["person"][counts] & np.uint64(0xFFFFFFFF)
    key.sort()
    if len(key):
        key = key[np.concatenate(([True], key[1:] != key[:-1]))]
    bounds = np.searchsorted(key, np.arange(len(groups) * len(places) + 1, dtype=np.uint64) << np.uint64(32))
    numbers = key.astype(np.uint32)
    found: dict[tuple[int, int, str], Array] = {}
    for n, (start, end) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        if end > start:
            (month, rule), where = groups[n // len(places)], places[n % len(places)]
            found[month, where, rule] = numbers[start:end]
    return found
