"""Answers about use: person-times and distinct people of a place and a period, with their definition."""

from __future__ import annotations

import datetime as dt
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from pyroaring import BitMap

from keyun.access import Actor
from keyun.content import Opening
from keyun.errors import Invalid
from keyun.plugins import Permission
from keyun.regions import contains, level, subtree
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_usage import folding, places, storing
from keyun_usage.grouping import UNKNOWN, as_day, as_number
from keyun_usage.layout import LOCATED, REGISTERED
from keyun_usage.models import Counter, Part, People, Progress
from keyun_usage.rules import Rule, behind, rules
from keyun_usage.spool import Spool

MOST_DAYS = 3700
FIRST_DAY = dt.date(2000, 1, 1)
READ = "usage.report.read"


@dataclass(frozen=True, slots=True)
class Where:
    """A place as the subject of a permission."""

    region: str
    owner_id: int | None = None
    organization_id: int | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """Person-times of one kind: by accounts, by visitors, and what was excluded."""

    users: int = 0
    visitors: int = 0
    excluded: int = 0

    @property
    def counted(self) -> int:
        """What counts."""
        return self.users + self.visitors

    def plus(self, users: int, visitors: int, counts: bool) -> Times:
        """With one more figure."""
        if counts:
            return Times(self.users + users, self.visitors + visitors, self.excluded)
        return Times(self.users, self.visitors, self.excluded + users + visitors)


@dataclass(frozen=True, slots=True)
class Used:
    """A rule that stands behind the figures, for which days, and its text when it is loaded here."""

    id: str
    first_day: dt.date
    last_day: dt.date
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Excluded:
    """How many records a rule excluded for one reason."""

    rule: str
    code: str
    title: str
    title_en: str
    records: int


@dataclass(frozen=True, slots=True)
class Distinct:
    """Distinct logged-in people of whole months; ``removed`` were taken out because their accounts are gone.

    ``removed`` counts a person once for each month and place.
    """

    first_month: int
    last_month: int
    people: int
    removed: int
    rules: tuple[str, ...]


@dataclass(slots=True)
class Report:
    """Everything about the use of one place in one period."""

    region: str
    start: dt.date
    end: dt.date
    #: Everything that was opened until then is in; None when nothing was ever folded.
    as_of: dt.datetime | None
    total: Times = field(default_factory=Times)
    by_channel: dict[str, Times] = field(default_factory=dict)
    by_subject: dict[str, Times] = field(default_factory=dict)
    by_place: dict[str, tuple[Times, int]] = field(default_factory=dict)
    distinct: Distinct = field(default_factory=lambda: Distinct(0, 0, 0, 0, ()))
    excluded: list[Excluded] = field(default_factory=list)
    rules: list[Used] = field(default_factory=list)
    #: Person-times whose place is not known; they are in no place's figures.
    unplaced: int = 0
    #: Records that could not be written or read, and processes that were killed, in this period anywhere.
    lost: int = 0
    killed: int = 0
    #: What became of the code that was asked for.
    note: str = ""

    @property
    def anonymous_share(self) -> float | None:
        """The share of person-times by visitors; None without any."""
        return self.total.visitors / self.total.counted if self.total.counted else None


def permissions() -> tuple[Permission, ...]:
    """Who reads figures, and who may count them again."""
    readers = frozenset({"editor", "staff", "admin"})
    admin = frozenset({"admin"})
    return (
        Permission(READ, "查看使用统计", "read usage figures", readers),
        Permission("usage.figure.recount", "重算使用统计", "count usage again", admin),
        Permission("usage.history.import", "导入历史使用统计", "import a history of usage", admin),
    )


def note(spool: Spool, opening: Opening) -> None:
    """Append what was opened; open to everyone, as opening the page is."""
    registered = opening.user_id is not None
    code = opening.region or ""
    spool.note(
        int(opening.at.timestamp()),
        int(code) if code.isascii() and code.isdigit() and len(code) == 6 else UNKNOWN,
        opening.item_id,
        opening.user_id if opening.user_id is not None else opening.visitor,
        (opening.channel, opening.agent, opening.type),
        (REGISTERED if registered else 0) | LOCATED.get(opening.located, 0),
    )


def report(actor: Actor, unit: UnitOfWork, region: str, start: dt.date, end: dt.date) -> Report:
    """The figures of ``region`` and everything below it from ``start`` to ``end``, both included."""
    unit.require(actor, READ, Where(region))
    check_period(unit, region, start, end)
    # A retired code stands for what took its place, which may lie elsewhere.
    meant = unit.site.regions.resolve(region, unit.today)
    unit.require(actor, READ, Where(meant.place.code))
    made = Report(meant.place.code, start, end, unit.session.scalar(sa.select(Progress.at)), note=meant.note)
    _add_times(unit, made)
    _add_people(unit, made)
    made.lost, made.killed = _losses(unit, made)
    return made


def _losses(unit: UnitOfWork, made: Report) -> tuple[int, int]:
    """Records lost and processes killed, by the files that hold a day of the period."""
    zone = unit.site.timezone
    since = dt.datetime.combine(made.start, dt.time(), zone)
    until = dt.datetime.combine(made.end, dt.time(), zone) + dt.timedelta(days=1)
    # A file without a single record has no day but the one on which it was read.
    without = sa.and_(Part.first_day.is_(None), Part.folded_at >= since, Part.folded_at < until)
    within = sa.and_(Part.first_day <= as_number(made.end), Part.last_day >= as_number(made.start))
    query = sa.select(sa.func.coalesce(sa.func.sum(Part.lost), 0), sa.func.count().filter(Part.killed))
    lost, killed = unit.session.execute(query.select_from(Part).where(sa.or_(without, within))).one()
    return int(lost), int(killed)


def check_period(unit: UnitOfWork, region: str, start: dt.date, end: dt.date) -> None:
    """Refuse a place that nobody knows and a period that makes no sense.

    :raises Invalid: naming the field.
    """
    if region not in unit.site.regions:
        message = f"行政区划代码 {region} 不存在。 (Unknown region code.)"
        raise Invalid(message, {"region": [message]})
    if end < start:
        message = "结束日期早于开始日期。 (The end lies before the beginning.)"
        raise Invalid(message, {"to": [message]})
    if start < FIRST_DAY or (end - start).days > MOST_DAYS:
        message = "时间段最多十年，不早于 2000 年。 (At most ten years, not before 2000.)"
        raise Invalid(message, {"from": [message]})


def _add_times(unit: UnitOfWork, made: Report) -> None:
    words, known = storing.texts(unit.session), rules(unit.site)
    excluded: Tally[tuple[str, int]] = Tally()
    spans: dict[str, tuple[int, int]] = {}
    here = Codes.of(unit, made.region)
    for row in unit.session.execute(_sums(made, here)):
        rule, counts = words.get(row.rule, "?"), row.verdict == 0
        first, last = spans.get(rule, (row.first, row.last))
        spans[rule] = min(first, row.first), max(last, row.last)
        if row.region == UNKNOWN:
            made.unplaced += (row.users + row.visitors) if counts else 0
            continue
        if not counts:
            excluded[rule, row.verdict] += row.users + row.visitors
        _tally(made, row, here.child(row.region), words, counts)
    for rule, (first, last) in sorted(spans.items()):
        made.rules.append(Used(rule, as_day(first), as_day(last), behind(known, rule)))
    for (rule, verdict), records in sorted(excluded.items()):
        made.excluded.append(_reason(behind(known, rule), rule, verdict, records))


def _sums(made: Report, here: Codes) -> Any:
    keys = (Counter.region, Counter.channel, Counter.subject, Counter.rule, Counter.verdict)
    return (
        sa.select(
            *keys,
            sa.func.sum(Counter.users).label("users"),
            sa.func.sum(Counter.visitors).label("visitors"),
            sa.func.min(Counter.day).label("first"),
            sa.func.max(Counter.day).label("last"),
        )
        .where(Counter.day.between(as_number(made.start), as_number(made.end)))
        .where(sa.or_(here.within(Counter.region), Counter.region == UNKNOWN))
        .group_by(*keys)
    )


def _tally(made: Report, row: Any, child: str, words: Mapping[int, str], counts: bool) -> None:
    users, visitors = int(row.users), int(row.visitors)
    made.total = made.total.plus(users, visitors, counts)
    for found, key in (
        (made.by_channel, words.get(row.channel, "?")),
        (made.by_subject, words.get(row.subject, "?")),
    ):
        found[key] = found.get(key, Times()).plus(users, visitors, counts)
    times, people = made.by_place.get(child, (Times(), 0))
    made.by_place[child] = (times.plus(users, visitors, counts), people)


def _reason(rule: Rule | None, rule_id: str, verdict: int, records: int) -> Excluded:
    if rule is None or verdict > len(rule.reasons):
        return Excluded(rule_id, str(verdict), f"原因 {verdict}", f"reason {verdict}", records)
    reason = rule.reasons[verdict - 1]
    return Excluded(rule_id, reason.code, reason.title, reason.title_en, records)


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes whose figures are those of one place.

    A province or a city is what lay below it on each day, so its prefix. A county is the same place under
    its older codes, so those that were retired in its favour belong to it.
    """

    region: str
    older: Mapping[int, str]

    @classmethod
    def of(cls, unit: UnitOfWork, region: str) -> Codes:
        """The codes of ``region``, and what the retired ones among them are called today."""
        tree = unit.site.regions
        older = {}
        for code in tree.retired():
            now = tree.resolve(code, unit.today).place.code
            if contains(region, now) and level(now) == level(code) == "county":
                older[int(code)] = now
        return cls(region, older)

    def within(self, column: Any) -> sa.ColumnElement[bool]:
        """The condition for figures of this place."""
        low, high = (int(code) for code in subtree(self.region))
        found: sa.ColumnElement[bool] = column.between(low, high)
        if level(self.region) == "county" and self.older:
            found = sa.or_(found, column.in_(list(self.older)))
        return found

    def child(self, code: int) -> str:
        """The place right below that ``code`` belongs to, by the name it has today."""
        return child_of(self.region, self.older.get(code, f"{code:06d}"))


def child_of(outer: str, inner: str) -> str:
    """The place right below ``outer`` that ``inner`` lies in: a city of a province, a county of a city."""
    if outer == inner:
        return inner
    match level(outer):
        case "country":
            return inner[:2] + "0000"
        case "province":
            return inner[:4] + "00"
        case _:
            return inner


def _add_people(unit: UnitOfWork, made: Report) -> None:
    """Unite the bitmaps of all months that the period touches, for the whole and for each place below."""
    first, last = as_number(made.start) // 100, as_number(made.end) // 100
    here = Codes.of(unit, made.region)
    gone = storing.bitmap(folding.forgotten(unit))
    united: dict[str, BitMap] = {}
    used, removed = set[int](), 0
    # Year by year: the bitmaps of ten years would not fit into a web process.
    for year in range(first // 100, last // 100 + 1):
        below: dict[str, list[BitMap]] = {}
        for region, rule, left, bits in people_rows(
            unit, here, max(first, year * 100), min(last, year * 100 + 99)
        ):
            below.setdefault(here.child(region), []).append(BitMap.deserialize(bits))
            used.add(rule)
            removed += left
        for child, sets in below.items():
            united[child] = BitMap.union(united.get(child, BitMap()), *sets) - gone
    for child, people in united.items():
        times, _ = made.by_place.get(child, (Times(), 0))
        made.by_place[child] = (times, len(people))
    words = storing.texts(unit.session)
    names = sorted(words.get(rule, "?") for rule in used)
    count = len(BitMap.union(*united.values())) if united else 0
    made.distinct = Distinct(first, last, count, removed, tuple(names))


def distinct(actor: Actor, unit: UnitOfWork, region: str, first: int, last: int) -> Distinct:
    """Distinct logged-in people of ``region`` from the month ``first`` (202507) to ``last``, both whole."""
    unit.require(actor, READ, Where(region))
    made = Report(region, as_day(first * 100 + 1), as_day(last * 100 + 1), None)
    _add_people(unit, made)
    return made.distinct


def people_rows(
    unit: UnitOfWork, here: Codes, first: int, last: int
) -> Sequence[tuple[int, int, int, bytes]]:
    """Region, rule, removed and bits of every stored month from ``first`` to ``last`` in one place."""
    columns = (People.region, People.rule, People.removed, People.bits)
    query = sa.select(*columns).where(People.month.between(first, last), here.within(People.region))
    return [(r[0], r[1], r[2], r[3]) for r in storing.fetch(unit.session, query)]


def lines(made: Report, unit: UnitOfWork) -> Iterable[dict[str, Any]]:
    """The report as rows for a table: the whole, by place, by channel, by type."""
    name = unit.site.regions.name
    names = " ".join(u.id for u in made.rules)
    common = {
        "from": made.start.isoformat(),
        "to": made.end.isoformat(),
        "rule": names,
        "as_of": made.as_of.isoformat() if made.as_of else "",
    }
    distinct = made.distinct.people

    def line(kind: str, key: str, title: str, times: Times, people: int | str) -> dict[str, Any]:
        figures = {"times": times.counted, "users": times.users, "visitors": times.visitors}
        return {
            "kind": kind,
            "key": key,
            "name": title,
            **figures,
            "excluded": times.excluded,
            "people": people,
        } | common

    yield line("total", made.region, name(made.region), made.total, distinct)
    for code, (times, people) in sorted(made.by_place.items()):
        yield line("place", code, name(code), times, people)
    for kind, found in (("channel", made.by_channel), ("type", made.by_subject)):
        for key, times in sorted(found.items()):
            yield line(kind, key, key, times, "")


def default_region(actor: Actor, unit: UnitOfWork) -> str:
    """The place that the page begins with: the first that the actor reads figures of."""
    unit.require(actor, READ)
    found = unit.site.access.regions(actor, READ)
    home: str = unit.site.runtime.config.site["region"]
    return home if not found or unit.site.access.allows(actor, READ, Where(home)) else found[0]


def problems(site: Site) -> Iterable[str]:
    """What an operator should look at; open to whoever may call ``keyun doctor``."""
    with site.reading() as unit:
        yield from _backlog(unit)


def _backlog(unit: UnitOfWork) -> Iterable[str]:
    waiting = list(places.spool_folder(unit.site.runtime.instance).glob("*.spool"))
    if len(waiting) > 100:
        yield f"{len(waiting)} files wait in usage/spool; is a worker running? (`keyun worker`)"
    at = unit.session.scalar(sa.select(Progress.at))
    if waiting and (at is None or unit.now - at > dt.timedelta(minutes=10)):
        yield "usage was not folded for ten minutes; run `keyun usage fold`, look at `keyun jobs list`"
