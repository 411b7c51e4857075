"""Read what is known of all people, or of some, from SQL; group it into bitmaps with numpy."""

from __future__ import annotations

import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import sqlalchemy as sa
from pyroaring import BitMap

from keyun.accounts import User
from keyun.db import Session, is_sqlite
from keyun_notices.audience.attributes import Attribute, Value
from keyun_notices.audience.evaluate import People
from keyun_notices.audience.facts import Facts

#: Rows that are fetched at once: few enough to stay in the cache. Ids that one statement asks for.
ROWS, IDS = 4000, 1000
Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Pass:
    """Attributes that lie in the same table, so that one reading serves them all."""

    attributes: tuple[Attribute, ...]

    @property
    def of_accounts(self) -> bool:
        """Whether it reads the accounts themselves, and so can leave out those that are closed."""
        return self.attributes[0].user is User.id

    def query(self) -> sa.Select[Any]:
        """Rows of user id and the value of each attribute, None where nothing is known."""
        first = self.attributes[0]
        rows = sa.select(first.user, *(a.value for a in self.attributes)).select_from(first.table)
        return rows.where(User.active.is_(True)) if self.of_accounts else rows


def passes(attributes: Mapping[str, Attribute]) -> list[Pass]:
    """The readings that all ``attributes`` need; that of the accounts comes first."""
    groups: dict[int, list[Attribute]] = {}
    for attribute in attributes.values():
        groups.setdefault(id(attribute.user), []).append(attribute)
    found = [Pass(tuple(group)) for group in groups.values()]
    return sorted(found, key=lambda p: not p.of_accounts)


def build(
    session: Session, attributes: Mapping[str, Attribute], progress: Callable[[str], None] = lambda text: None
) -> People:
    """What is known of everybody with an open account; 2.3 million people take a few seconds."""
    universe: BitMap | None = None
    values: dict[str, Mapping[Value, BitMap]] = {}
    for reading in passes(attributes):
        ids, numbered = _read(session, reading.query())
        if universe is None:
            universe = bitmap(ids) if reading.of_accounts else _everybody(session)
            progress(f"{len(universe)} people")
        for attribute, (values_, numbers) in zip(reading.attributes, numbered, strict=True):
            values[attribute.name] = _grouped(ids, values_, numbers, universe)
            progress(f"{attribute.name}: {len(values[attribute.name])} values")
    return People(universe or BitMap(), {name: values[name] for name in attributes})


def _everybody(session: Session) -> BitMap:
    return bitmap(_read(session, sa.select(User.id).where(User.active.is_(True)))[0])


def _read(session: Session, query: sa.Select[Any]) -> tuple[Numbers, list[tuple[list[Value], Numbers]]]:
    """The first column of ``query``, and each other one as its different values and their numbers.

    Nothing known is number -1.
    """
    width = len(query.selected_columns) - 1
    index = [_Numbers() for _ in range(width)]
    ids: list[Numbers] = []
    numbers: list[list[Numbers]] = [[] for _ in range(width)]
    for rows in _rows(session.connection(), query):
        first, *columns = zip(*rows, strict=True)
        ids.append(np.array(first, dtype=np.uint32))
        for known, column, into in zip(index, columns, numbers, strict=True):
            into.append(np.fromiter(map(known.__getitem__, column), np.int32, len(column)))
    empty = np.zeros(0, np.int32)
    found = [(known.in_order(), np.concatenate([empty, *n])) for known, n in zip(index, numbers, strict=True)]
    return np.concatenate([empty.astype(np.uint32), *ids]), found


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[list[tuple[Any, ...]]]:
    """The driver's own rows: what SQLAlchemy does for each costs more than the database."""
    text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    driver: Any = connection.connection.driver_connection
    # On PostgreSQL a named cursor stays on the server, or all rows would come at once.
    cursor = driver.cursor() if is_sqlite(connection) else driver.cursor(name="notices_people")
    try:
        cursor.execute(text, ())
        while rows := cursor.fetchmany(ROWS):
            yield rows
    finally:
        cursor.close()


def _grouped(
    ids: Numbers, values: Sequence[Value], numbers: Numbers, universe: BitMap
) -> dict[Value, BitMap]:
    """Who has which value, without people outside ``universe``; sorted, equal numbers are together."""
    # Sixteen bits are sorted by their digits, in a tenth of the time.
    order = np.argsort(numbers.astype(np.int16) if len(values) < 2**15 else numbers, kind="stable")
    ids, numbers = ids[order], numbers[order]
    edges = np.searchsorted(numbers, np.arange(len(values) + 1))
    found: dict[Value, BitMap] = {}
    for value, start, end in zip(values, edges[:-1], edges[1:], strict=True):
        who = bitmap(ids[start:end]) & universe
        if who:
            who.run_optimize()
            found[value] = who
    return found


class _Numbers(dict[Any, int]):
    """Numbers values in the order of their first coming; nothing known is -1."""

    def __init__(self) -> None:
        super().__init__({None: -1})

    def __missing__(self, value: Any) -> int:
        number = self[value] = len(self) - 1
        return number

    def in_order(self) -> list[Any]:
        """The values in the order of their numbers."""
        return list(self)[1:]


def bitmap(ids: Numbers) -> BitMap:
    """A bitmap of ``ids``; the array module is the quick way in."""
    numbers = array.array("I")
    numbers.frombytes(ids.tobytes())
    return BitMap(numbers)


# Some people ------------------------------------------------------------------------------------------


def changed(
    people: People, session: Session, attributes: Mapping[str, Attribute], user_ids: Collection[int]
) -> People:
    """``people`` with the current state of some; bitmaps that do not change are shared."""
    touched = BitMap(user_ids)
    active, fresh = current(session, attributes, user_ids)
    values: dict[str, Mapping[Value, BitMap]] = {}
    for name in attributes:
        values[name] = _replaced(people.values.get(name, {}), touched, fresh[name])
    return People((people.universe - touched) | active, values)


def current(
    session: Session, attributes: Mapping[str, Attribute], user_ids: Collection[int]
) -> tuple[BitMap, dict[str, dict[Value, BitMap]]]:
    """Which of these accounts are open, and who of them has which value of each attribute."""
    found: dict[str, dict[Value, BitMap]] = {name: {} for name in attributes}
    active = BitMap()
    for ids in batches(user_ids):
        accounts = sa.select(User.id).where(User.id.in_(ids), User.active.is_(True))
        here = BitMap(session.connection().scalars(accounts))
        active |= here
        for reading in passes(attributes):
            query = reading.query().where(reading.attributes[0].user.in_(ids))
            for user_id, *columns in session.connection().execute(query):
                if user_id not in here:
                    continue
                for attribute, value in zip(reading.attributes, columns, strict=True):
                    if value is not None:
                        found[attribute.name].setdefault(value, BitMap()).add(user_id)
    return active, found


def _replaced(
    known: Mapping[Value, BitMap], touched: BitMap, fresh: Mapping[Value, BitMap]
) -> dict[Value, BitMap]:
    """The bitmaps of one attribute after a change; those of people who stay are the same objects."""
    found = dict(known)
    for value, who in known.items():
        if who.intersect(touched):
            found[value] = who - touched
    for value, who in fresh.items():
        found[value] = found[value] | who if value in found else who
    return {v: who for v, who in found.items() if who}


def facts(session: Session, attributes: Mapping[str, Attribute], user_id: int) -> Facts:
    """What SQL knows of one person."""
    active, found = current(session, attributes, (user_id,))
    return Facts(user_id, user_id in active, {n: frozenset(v) for n, v in found.items() if v})


def users_of(
    session: Session, attributes: Iterable[Attribute], kind: str, subjects: Collection[int]
) -> set[int]:
    """The users whom events about subjects of this kind touch."""
    if kind == "user":
        return set(subjects)
    found: set[int] = set()
    for attribute in attributes:
        if kind in attribute.through:
            for ids in batches(subjects):
                found.update(session.connection().scalars(attribute.touched(kind, ids)))
    return found


def batches(ids: Collection[int]) -> Iterator[tuple[int, ...]]:
    """``ids`` in order, as many at once as one statement takes."""
    source = iter(sorted(ids))
    while part := tuple(islice(source, IDS)):
        yield part
