"""Write what was counted: counters added up, people united, each in the transaction of its watermark."""

from __future__ import annotations

import array
import contextlib
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keyun.db import is_sqlite
from keyun.errors import Conflict
from keyun.uow import UnitOfWork
from keyun_usage.grouping import Row
from keyun_usage.models import Day, Part, People, Progress, Word
from keyun_usage.reading import Array

COLUMNS = ("day", "region", "channel", "subject", "rule", "verdict", "users", "visitors")
BUSY = "另一个进程同时在汇总，请稍后再试。 (Somebody else folds at the same time; try again.)"
PeopleKey = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Merge:
    """New bits of one (month, region, rule), and the version of the row they were computed from (0: none)."""

    month: int
    region: int
    rule: str
    version: int
    bits: bytes
    #: How many were taken out of a row that this one replaces.
    removed: int = 0


def insert_once(session: Session, model: Any, **values: Any) -> bool:
    """Insert a row unless its key is there; whether it was inserted."""
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    row = insert(model).values(**values).on_conflict_do_nothing()
    counted = {"preserve_rowcount": True}
    return bool(session.connection().execute(row, execution_options=counted).rowcount == 1)


def numbers(session: Session, texts: Iterable[str], *, add: bool = False) -> dict[str, int]:
    """The numbers of words; with ``add``, new ones get theirs."""
    wanted = sorted(set(texts))
    found: dict[str, int] = {}
    for attempt in (False, True):
        rows = session.execute(sa.select(Word.text, Word.id).where(Word.text.in_(wanted)))
        found = {text: number for text, number in rows}
        missing = [t for t in wanted if t not in found]
        if not missing or not add or attempt:
            break
        for text in missing:
            insert_once(session, Word, text=text)
    return found


def texts(session: Session) -> dict[int, str]:
    """Every word by its number."""
    return {number: text for number, text in session.execute(sa.select(Word.id, Word.text))}


def advance(unit: UnitOfWork, name: str, start: int, end: int, **facts: Any) -> None:
    """Move the watermark of the file ``name`` from ``start`` to ``end``.

    :raises Conflict: when it does not stand at ``start`` any more: somebody else has folded this piece.
    """
    blank = {"state": "open", "offset": 0, "records": 0, "lost": 0, "killed": False, "folded_at": unit.now}
    insert_once(unit.session, Part, name=name, **blank)
    here = (Part.name == name, Part.offset == start, Part.state == "open")
    first, last = facts.pop("first_day"), facts.pop("last_day")
    values: dict[str, Any] = {
        "offset": end,
        "records": Part.records + facts.pop("records"),
        "lost": Part.lost + facts.pop("lost"),
        "folded_at": unit.now,
        **facts,
    }
    if first is not None:
        values["first_day"] = sa.case((Part.first_day < first, Part.first_day), else_=first)
        values["last_day"] = sa.case((Part.last_day > last, Part.last_day), else_=last)
    done = unit.session.connection().execute(sa.update(Part).where(*here).values(**values))
    if done.rowcount != 1:
        raise Conflict(BUSY)


def tied_days(session: Session, *only: sa.ColumnElement[bool]) -> dict[int, str]:
    """The rules that days are tied to; a few thousand rows at most, one for each day ever counted."""
    return {day: rule for day, rule in session.execute(sa.select(Day.day, Day.rule).where(*only))}


def pin_days(session: Session, rules: Mapping[int, str]) -> None:
    """Tie days to the rule they are counted by.

    :raises Conflict: when a day was tied to another rule meanwhile.
    """
    days = sorted(rules)
    held = tied_days(session, Day.day.in_(days))
    for day in days:
        if day not in held and not insert_once(session, Day, day=day, rule=rules[day]):
            raise Conflict(BUSY)
        if held.get(day, rules[day]) != rules[day]:
            raise Conflict(BUSY)


def add_rows(session: Session, rows: Sequence[Row]) -> None:
    """Add ``rows`` to the counters, with one statement."""
    if not rows:
        return
    known = numbers(session, {w for r in rows for w in (r.channel, r.subject, r.rule)}, add=True)
    values: list[tuple[int, ...]] = [
        (r.day, r.region, known[r.channel], known[r.subject], known[r.rule], r.verdict, r.users, r.visitors)
        for r in rows
    ]
    values = _summed(values)
    keys = ", ".join(COLUMNS[:6])
    added = (
        "users = usage_counter.users + excluded.users, visitors = usage_counter.visitors + excluded.visitors"
    )
    head = f"INSERT INTO usage_counter ({', '.join(COLUMNS)})"
    tail = f"ON CONFLICT ({keys}) DO UPDATE SET {added}"
    connection = session.connection()
    if is_sqlite(session):
        connection.exec_driver_sql(f"{head} VALUES (?, ?, ?, ?, ?, ?, ?, ?) {tail}", values)
        return
    arrays = {name: list(column) for name, column in zip(COLUMNS, zip(*values, strict=True), strict=True)}
    unnested = ", ".join(f"CAST(:{name} AS integer[])" for name in COLUMNS)
    connection.execute(sa.text(f"{head} SELECT * FROM unnest({unnested}) {tail}"), arrays)


def _summed(values: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """One row for each key, because one statement cannot meet a counter twice.

    In the order of the key, so that two who fold at once wait for each other and never block.
    """
    values.sort()
    found: list[tuple[int, ...]] = []
    for row in values:
        if found and found[-1][:6] == row[:6]:
            last = found.pop()
            row = (*row[:6], last[6] + row[6], last[7] + row[7])
        found.append(row)
    return found


def merges(session: Session, people: Mapping[PeopleKey, Array]) -> list[Merge]:
    """What uniting ``people`` with the stored bitmaps gives; those that gain nobody are left out."""
    if not people:
        return []
    held = _held(session, people)
    found = []
    for (month, region, rule), who in sorted(people.items()):
        new = bitmap(who)
        version, bits = held.get((month, region, rule), (0, b""))
        if version:
            old = BitMap.deserialize(bits)
            before = len(old)
            old |= new
            if len(old) == before:
                continue
            new = old
        new.run_optimize()
        found.append(Merge(month, region, rule, version, new.serialize()))
    return found


def bitmap(who: Array) -> BitMap:
    """The set of sorted 32-bit numbers."""
    # An array of this type takes the short way; anything else is walked number by number.
    return BitMap(array.array("I", np.asarray(who, dtype=np.uint32).tobytes()))


def _held(session: Session, keys: Iterable[PeopleKey]) -> dict[PeopleKey, tuple[int, bytes]]:
    wanted = set(keys)
    word = numbers(session, {rule for _, _, rule in wanted})
    text = {n: t for t, n in word.items()}
    query = sa.select(People.month, People.region, People.rule, People.version, People.bits).where(
        People.month.in_({m for m, _, _ in wanted}),
        People.region.in_({r for _, r, _ in wanted}),
        People.rule.in_(list(text)),
    )
    found = {}
    for month, region, rule, version, bits in fetch(session, query):
        if (month, region, text[rule]) in wanted:
            found[month, region, text[rule]] = (version, bits)
    return found


def fetch(session: Session, query: Any) -> Sequence[Any]:
    """The rows of a query that holds bitmaps and only numbers as values.

    PostgreSQL hands bitmaps over as they are when it is asked for binary answers; as text they take twice
    the bytes and four times the work.
    """
    if is_sqlite(session):
        return session.execute(query).all()
    connection = session.connection()
    text = str(query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
    # The driver's own argument, which only its own type of cursor knows.
    open_cursor: Any = connection.connection.cursor
    with contextlib.closing(open_cursor(binary=True)) as cursor:
        cursor.execute(text)
        rows: Sequence[Any] = cursor.fetchall()
        return rows


def put_people(session: Session, found: Sequence[Merge]) -> None:
    """Store bitmaps, each only over the version it was computed from.

    :raises Conflict: when one has changed meanwhile.
    """
    word = numbers(session, {m.rule for m in found}, add=True)
    for m in found:
        if m.version:
            where = (People.month == m.month, People.region == m.region, People.rule == word[m.rule])
            change = sa.update(People).where(*where, People.version == m.version)
            done = session.connection().execute(change.values(bits=m.bits, version=m.version + 1))
            written = done.rowcount == 1
        else:
            key = {"month": m.month, "region": m.region, "rule": word[m.rule]}
            written = insert_once(session, People, **key, version=1, removed=m.removed, bits=m.bits)
        if not written:
            raise Conflict(BUSY)


def set_progress(session: Session, at: dt.datetime) -> None:
    """Say up to which moment everything is in the figures; it never goes back."""
    if not insert_once(session, Progress, id=1, at=at):
        session.execute(sa.update(Progress).where(Progress.id == 1, Progress.at < at).values(at=at))
