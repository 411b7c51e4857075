"""The window that raw records cover: count it again under a rule, or compare it with the figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pyroaring import BitMap

from keyun.access import Actor
from keyun.errors import Invalid
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_usage import archive, folding, grouping, places, storing
from keyun_usage.grouping import Counted, Row, as_day, as_number
from keyun_usage.models import Counter, Day, Part, People, Word
from keyun_usage.reading import Array, Batch, pieces
from keyun_usage.rules import IMPORTED, Rule, rules
from keyun_usage.spool import SUFFIX

ONE_DAY = dt.timedelta(days=1)


@dataclass(slots=True)
class Verified:
    """What comparing gave: ``wrong`` sentences, and how much was compared and left out."""

    days: int = 0
    months: int = 0
    records: int = 0
    wrong: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Window:
    """What is there to count again: raw days, the open part of the spool, days with files elsewhere."""

    site: Site
    days: Sequence[dt.date]
    open: Sequence[tuple[Path, int]]
    #: Days of which some records lie in files that are not here (another machine, or lost).
    missing: frozenset[dt.date]
    #: Every day (20261124) that own records were ever counted for.
    counted: frozenset[int]

    def batches(self, day: dt.date) -> Iterator[Batch]:
        """Every folded record of ``day``."""
        # A file that is being packed, or could not be, lies here as well as there.
        twice = {path.stem for path, _ in self.open}
        for path in archive.files(places.raw_folder(self.site.runtime.instance), day):
            if path.stem not in twice:
                yield archive.read(path)
        number = as_number(day)
        for path, until in self.open:
            for piece in pieces(path, until):
                if not len(piece.batch):
                    continue
                days, which = grouping.days_of(piece.batch.records["at"], self.site.timezone)
                if number in days:
                    yield piece.batch.where(which == days.index(number))

    def whole_months(self, start: dt.date = dt.date.min) -> list[int]:
        """The months of which every day that was ever counted is here, and none lies before ``start``."""
        here = {as_number(d) for d in self.days if d >= start and d not in self.missing}
        months = {d // 100 for d in here}
        return sorted(m for m in months if all(d in here for d in self.counted if d // 100 == m))


def look(site: Site, unit: UnitOfWork, keep_days: int) -> Window:
    """What of the last ``keep_days`` days is there."""
    instance = site.runtime.instance
    spool = {p.stem: p for p in places.spool_folder(instance).glob("*" + SUFFIX)}
    raw = places.raw_folder(instance)
    first = unit.today - ONE_DAY * keep_days
    days: set[dt.date] = {d for d in archive.days(raw) if d >= first}
    archived = {p.stem for d in days for p in archive.files(raw, d)}
    counted = frozenset(storing.tied_days(unit.session))
    open_parts, missing = [], set[dt.date]()
    for part in unit.session.scalars(sa.select(Part).where(Part.name.not_like("import-%"), Part.records > 0)):
        span = [d for d in _span(part, first) if as_number(d) in counted]
        if part.state != "archived" and part.name in spool:
            open_parts.append((spool[part.name], part.offset))
            days.update(span)
        elif part.name not in archived:
            missing.update(span)
    return Window(site, sorted(days), open_parts, frozenset(missing), counted)


def _span(part: Part, first: dt.date) -> Iterator[dt.date]:
    if part.first_day is None or part.last_day is None:
        return
    day, last = max(as_day(part.first_day), first), as_day(part.last_day)
    while day <= last:
        yield day
        day += ONE_DAY


def recount(
    actor: Actor, site: Site, start: dt.date, rule: Rule, keep_days: int, say: Callable[[str], None]
) -> Verified:
    """Count the days from ``start`` again by ``rule``: each day in a transaction, then the whole months.

    Days without raw records, and people of months that are not covered whole, keep the rule they were
    counted by.

    :raises Invalid: when there are no raw records from ``start`` on, or some lie elsewhere.
    """
    done = Verified()
    with places.alone(site.runtime.instance, wait=True):
        with site.reading() as unit:
            unit.require(actor, "usage.figure.recount")
            window = look(site, unit, keep_days)
            gone = folding.forgotten(unit)
        days = [d for d in window.days if d >= start]
        _must_be_covered(window, days, start)
        whole = window.whole_months(start)
        people: dict[int, dict[int, BitMap]] = {m: {} for m in whole}
        for day in days:
            counted = [_count(site, b, rule, gone) for b in window.batches(day)]
            with site.writing() as unit:
                _replace_day(unit, as_number(day), rule, [r for c in counted for r in c.rows])
            for c in counted:
                _unite(people.get(as_number(day) // 100, {}), c)
            done.days += 1
            done.records += sum(c.records for c in counted)
            say(f"{day}: {sum(c.records for c in counted)} records by {rule.id}")
        for month in whole:
            with site.writing() as unit:
                _replace_month(unit, month, rule, people[month])
            done.months += 1
        with site.writing() as unit:
            facts = {"rule": rule.id, "to": as_number(days[-1]), "records": done.records}
            unit.record("usage.recounted", "usage", as_number(days[0]), actor, **facts)
        kept = sorted({as_number(d) // 100 for d in days} - set(whole))
        done.left_out += [
            f"people of {m}: raw records do not cover the month; the older rule stays" for m in kept
        ]
    return done


def _must_be_covered(window: Window, days: Sequence[dt.date], start: dt.date) -> None:
    if not days:
        raise Invalid(f"{start} 以后没有原始记录。 (There are no raw records from {start} on.)")
    gaps = sorted(d for d in window.missing if d >= start)
    if gaps:
        raise Invalid(
            f"{gaps[0]} 的部分原始记录不在本机，无法重算。"
            f" (Some raw records of {gaps[0]} are not on this machine; bring their files, or start later.)"
        )


def _count(site: Site, batch: Batch, rule: Rule, gone: Array) -> Counted:
    return grouping.count(batch, site.timezone, places.resolver(site), lambda _day: rule, gone)


def _unite(places_of: dict[int, BitMap], counted: Counted) -> None:
    for (_month, region, _rule), who in counted.people.items():
        places_of.setdefault(region, BitMap()).update(storing.bitmap(who))


def _own(column: Any) -> sa.ColumnElement[bool]:
    """The condition for figures of own records, by whatever rule; an imported history stays."""
    own: sa.ColumnElement[bool] = column.not_in(sa.select(Word.id).where(Word.text.like(IMPORTED + "%")))
    return own


def _replace_day(unit: UnitOfWork, day: int, rule: Rule, rows: Sequence[Row]) -> None:
    unit.session.execute(sa.delete(Counter).where(Counter.day == day, _own(Counter.rule)))
    storing.add_rows(unit.session, rows)
    unit.session.execute(sa.delete(Day).where(Day.day == day))
    storing.pin_days(unit.session, {day: rule.id})


def _replace_month(unit: UnitOfWork, month: int, rule: Rule, found: dict[int, BitMap]) -> None:
    number = storing.numbers(unit.session, [rule.id]).get(rule.id, -1)
    held = sa.select(People.region, People.removed).where(People.month == month, People.rule == number)
    # Raw records do not tell any more who has left; what this rule said before does.
    removed = {region: n for region, n in unit.session.execute(held) if n}
    unit.session.execute(sa.delete(People).where(People.month == month, _own(People.rule)))
    new = [
        storing.Merge(month, r, rule.id, 0, found.get(r, BitMap()).serialize(), removed.get(r, 0))
        for r in sorted(found.keys() | removed.keys())
    ]
    storing.put_people(unit.session, new)


def verify(actor: Actor, site: Site, keep_days: int) -> Verified:
    """Count the window again, each day by its own rule, and compare with the stored figures."""
    done = Verified()
    with places.alone(site.runtime.instance, wait=True), site.reading() as unit:
        unit.require(actor, "usage.report.read")
        window = look(site, unit, keep_days)
        gone = folding.forgotten(unit)
        tied = storing.tied_days(unit.session)
        known = rules(site)
        months = {m: dict[tuple[int, str], BitMap]() for m in window.whole_months()}
        for day in sorted({*window.days, *window.missing}):
            rule = known.get(tied.get(as_number(day), ""))
            if rule is None or day in window.missing:
                done.left_out.append(
                    f"{day}: {'its rule is not loaded' if rule is None else 'files are missing'}"
                )
                months.pop(as_number(day) // 100, None)
                continue
            try:
                counted = [_count(site, b, rule, gone) for b in window.batches(day)]
            except archive.Damaged as e:
                done.wrong.append(str(e))
                months.pop(as_number(day) // 100, None)
                continue
            _compare_day(unit, as_number(day), counted, done)
            for c in counted:
                for (month, region, name), who in c.people.items():
                    months.get(month, {}).setdefault((region, name), BitMap()).update(storing.bitmap(who))
        for month, expected in months.items():
            _compare_month(unit, month, expected, gone, done)
    return done


def _compare_day(unit: UnitOfWork, day: int, counted: Sequence[Counted], done: Verified) -> None:
    words = storing.texts(unit.session)
    expected: dict[tuple[int, str, str, str, int], list[int]] = {}
    for row in (r for c in counted for r in c.rows):
        sums = expected.setdefault((row.region, row.channel, row.subject, row.rule, row.verdict), [0, 0])
        sums[0] += row.users
        sums[1] += row.visitors
    query = sa.select(Counter).where(Counter.day == day, _own(Counter.rule))
    held = {
        (c.region, words[c.channel], words[c.subject], words[c.rule], c.verdict): [c.users, c.visitors]
        for c in unit.session.scalars(query)
    }
    for key in sorted(expected.keys() | held.keys()):
        if expected.get(key, [0, 0]) != held.get(key, [0, 0]):
            done.wrong.append(f"{day} {key}: raw records {expected.get(key)}, figures {held.get(key)}")
    unit.session.expire_all()
    done.days += 1
    done.records += sum(c.records for c in counted)


def _compare_month(
    unit: UnitOfWork, month: int, expected: dict[tuple[int, str], Any], gone: Array, done: Verified
) -> None:
    words = storing.texts(unit.session)
    query = sa.select(People.region, People.rule, People.bits).where(People.month == month)
    without = storing.bitmap(gone)
    held = {(r, words[w]): BitMap.deserialize(b) - without for r, w, b in storing.fetch(unit.session, query)}
    held = {key: bits for key, bits in held.items() if not key[1].startswith(IMPORTED)}
    for key in sorted(expected.keys() | held.keys()):
        difference = expected.get(key, BitMap()) ^ held.get(key, BitMap())
        if difference:
            done.wrong.append(f"{month} {key}: {len(difference)} people differ")
    done.months += 1
