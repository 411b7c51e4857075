"""Generated people for benchmarks: 2.3 million over the real counties of the bundled table, with the truth.

What is drawn is numpy arrays, so that any audience can be checked without a database. Names and numbers are
made up from the row number; nobody is meant.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from keyun.regions import Tree
from keyun_marketplace.disciplines import disciplines

PEOPLE = 2_300_000
#: Share of people whose profession is verified: 1.23 of 2.3 million, as in the source.
WORKERS = 0.535
PROVINCE = "510000"
TODAY = dt.date(2026, 11, 1)
DISCIPLINES, ELIGIBLE_DISCIPLINES = 30, 26
TITLES = ("技术员", "助理研究员", "讲师", "副教授", "教授")
TOPICS = (
    "农业", "林业", "水利", "地质", "气象", "地震", "消防", "医药", "卫生", "营养",
    "心理", "教育", "航天", "航空", "数学", "物理", "化学", "生物", "生态", "能源",
)  # fmt: skip
KINDS = ("enterprise", "university", "institute", "hospital", "society", "other")
ORGANIZATIONS = 3000
CHUNK = 100_000
Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Everybody, one entry of each array for each person; ids run from ``first``."""

    first: int
    counties: tuple[str, ...]
    disciplines: tuple[str, ...]
    county: Numbers
    level: Numbers
    birth_year: Numbers
    title: Numbers
    discipline: Numbers
    organization: Numbers
    topic: Numbers

    @property
    def ids(self) -> Numbers:
        """The user ids."""
        return np.arange(self.first, self.first + len(self.county), dtype=np.uint32)

    @property
    def workers(self) -> Numbers:
        """Who is a worker."""
        found: Numbers = self.level == 3
        return found


def draw(places: Tree, count: int = PEOPLE, *, seed: int = 1, first: int = 1) -> Drawn:
    """Draw ``count`` people; the same seed draws the same ones."""
    random = np.random.default_rng(seed)
    counties = tuple(p.code for p in places.below(PROVINCE) if p.level == "county" and p.kind == "official")
    # A few counties hold many people and many hold few, as they do.
    weights = 1 / np.sqrt(np.arange(1, len(counties) + 1))
    random.shuffle(weights)
    worker = random.random(count) < WORKERS
    known = tuple(d.name for d in disciplines())[:DISCIPLINES]
    return Drawn(
        first=first,
        counties=counties,
        disciplines=known,
        county=random.choice(len(counties), count, p=weights / weights.sum()).astype(np.int16),
        level=np.where(worker, 3, random.integers(0, 3, count)).astype(np.int8),
        birth_year=np.clip(random.normal(1987, 12, count), 1930, 2010).astype(np.int16),
        title=random.choice([1, 2, 3, 4, 5], count, p=[0.05, 0.1, 0.15, 0.45, 0.25]).astype(np.int8),
        discipline=random.integers(0, len(known), count).astype(np.int8),
        organization=random.integers(0, ORGANIZATIONS, count).astype(np.int16),
        topic=random.integers(0, len(TOPICS), count).astype(np.int8),
    )


def award(drawn: Drawn) -> dict[str, Any]:
    """The call of the source: a worker of the province, born 1981 or later, 26 of 30 fields, a high title."""
    return {
        "all": [
            {"attribute": "kind", "is": "worker"},
            {"attribute": "region", "within": [PROVINCE]},
            {"attribute": "birth-year", "from": 1981},
            {"attribute": "marketplace.discipline", "in": list(drawn.disciplines[:ELIGIBLE_DISCIPLINES])},
            {"attribute": "title", "from": 4},
        ]
    }


def eligible(drawn: Drawn) -> Numbers:
    """Who meets :func:`award`, by numpy alone."""
    meets = (
        drawn.workers
        & (drawn.birth_year >= 1981)
        & (drawn.discipline < ELIGIBLE_DISCIPLINES)
        & (drawn.title >= 4)
    )
    return drawn.ids[meets]


def fill(engine: sa.Engine, drawn: Drawn, now: dt.datetime) -> None:
    """Write everybody into an instance without users, past the services; then let the database analyse."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            moment: Any = now.replace(tzinfo=None).isoformat(" ")
        else:
            moment = now
        for table, columns, rows in _tables(drawn, moment):
            _write(connection, table, columns, rows)
        if engine.dialect.name != "sqlite":
            for name in ("core_user", "core_organization"):
                last = sa.text(f"SELECT setval('{name}_id_seq', (SELECT max(id) FROM {name}))")
                connection.execute(last)
        connection.commit()
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


def _write(connection: sa.Connection, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        source = iter(rows)
        while chunk := list(itertools.islice(source, CHUNK)):
            connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", chunk)
        return
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _tables(drawn: Drawn, moment: Any) -> Iterator[tuple[str, Sequence[str], Iterable[Any]]]:
    ids = drawn.ids.tolist()
    region = np.array(drawn.counties)[drawn.county].tolist()
    level, year, title = drawn.level.tolist(), drawn.birth_year.tolist(), drawn.title.tolist()
    names = [f"{i:08x}-0000-4000-8000-{i:012x}" for i in ids]
    yield (
        "core_user",
        ("id", "public_id", "login", "name", "region", "level", "active", "created_at"),
        (
            (i, n, f"p{i}", f"第{i}号", r, v, True, moment)
            for i, n, r, v in zip(ids, names, region, level, strict=True)
        ),
    )
    yield (
        "notices_profile",
        ("user_id", "birth_year", "title", "changed_at"),
        ((i, y, t, moment) for i, y, t in zip(ids, year, title, strict=True)),
    )
    topics = [TOPICS[t] for t in drawn.topic.tolist()]
    yield "notices_interest", ("user_id", "topic"), zip(ids, topics, strict=True)
    yield from _work(drawn, moment, ids, names, title)


def _work(
    drawn: Drawn, moment: Any, ids: Sequence[int], names: Sequence[str], title: Sequence[int]
) -> Iterator[tuple[str, Sequence[str], Iterable[Any]]]:
    """Organizations and what the marketplace knows, of workers only."""
    yield (
        "core_organization",
        ("id", "public_id", "name", "kind", "summary", "verified", "created_at"),
        (
            (n + 1, f"{n:08x}-0000-4000-9000-{n:012x}", f"第{n}单位", KINDS[n % len(KINDS)], "", True, moment)
            for n in range(ORGANIZATIONS)
        ),
    )
    workers = np.flatnonzero(drawn.workers).tolist()
    organization, field = drawn.organization.tolist(), drawn.discipline.tolist()
    yield (
        "core_membership",
        ("user_id", "organization_id", "role"),
        ((ids[w], organization[w] + 1, "member") for w in workers),
    )
    yield (
        "marketplace_person",
        (
            "public_id", "user_id", "discipline", "title", "keywords", "summary", "findable", "version",
            "changed_at",
        ),
        (
            (names[w], ids[w], drawn.disciplines[field[w]], TITLES[title[w] - 1], "[]", "", False, 1, moment)
            for w in workers
        ),
    )  # fmt: skip
