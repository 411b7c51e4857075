"""Precise push over 2.3 million generated people: audience, publication, inbox, storage.

    python benchmarks/notices.py --database sqlite,postgresql [--people 2300000]

CPU seconds are those of this process, and on PostgreSQL also of the server's processes for this database.
PostgreSQL is the server of KEYUN_TEST_DATABASE_URL. Every audience is checked against numpy.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import _people
from _people import Drawn
from _push import Case, Ids, beside, filled, inside, prefectures, say, send, spent, timed
from _report import Row, parser, peak_megabytes, quantile, report
from keyun.access import Actor, system
from keyun.accounts import User
from keyun.db import WRITE, is_sqlite
from keyun.testing.databases import Databases
from keyun_notices.audience.evaluate import evaluate
from keyun_notices.audience.expression import parse
from keyun_notices.inbox.services import inbox, open_
from keyun_notices.people import store
from keyun_notices.people.resident import attributes, resident
from keyun_notices.publishing.models import Notice
from keyun_notices.publishing.services import addressed

#: The source's year: 102 notices, 16.34 million deliveries.
NOTICES, DELIVERIES = 102, 16_340_000
ACTIVE, WATCHED, FANNED = 200, 200, 40
NAIVE = 50_000
SIZE = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'notices%'
"""


class Peers(DeclarativeBase):
    """Tables of the peers; not of the product."""


class Naive(Peers):
    """One row, one object for each recipient, as most notification packages have it."""

    __tablename__ = "bench_naive"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(index=True)
    notice_id: Mapped[int] = mapped_column(index=True)


def main() -> None:
    """Run the command line."""
    options = parser("Precise push over generated people.")
    options.add_argument("--people", type=int, default=_people.PEOPLE)
    options.add_argument("--database", default="sqlite,postgresql", help="sqlite, postgresql or both")
    options.add_argument("--rounds", type=int, default=5, help="alternating rounds of the ratios")
    given = options.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        databases = Databases(Path(temporary))
        for name in given.database.split(","):
            with filled(databases, name, given.people) as case:
                for measure in (
                    people,
                    audiences,
                    partial(ratios, rounds=given.rounds),
                    visible,
                    step,
                    inboxes,
                    year,
                ):
                    say(f"{name}: {getattr(measure, '__name__', 'ratios')} …")
                    measure(case)
                rows += case.rows
        databases.close()
    rows.append(Row("peak memory of this process", peak_megabytes(), "MB"))
    report("notices", rows, given.json)


# Time of processors ---------------------------------------------------------------------------------


# Figures ----------------------------------------------------------------------------------------------


def people(case: Case) -> None:
    """Build the bitmaps, save and load them, and hold them against SQL."""
    live = resident(case.site)
    case.add("bitmaps built from the database", spent(case, live.rebuild), "s CPU")
    folder = live.folder
    name = store.current(folder) or ""
    times = [timed(partial(store.read, folder, name)) for _ in range(5)]
    case.add("bitmaps loaded", statistics.median(times), "s", "bar 0.2")
    case.add("file of the bitmaps", (folder / name).stat().st_size / 1e6, "MB")


def audiences(case: Case) -> None:
    """Any, and, or, not over six attributes; and the golden case, held against numpy."""
    known = attributes(case.site)
    with case.site.reading() as unit:
        everyone = resident(case.site).people(unit)
        for what, asked in (("award", _people.award(case.drawn)), ("six attributes", six(case.drawn))):
            expression = parse(asked, known)
            times = [
                timed(partial(evaluate, expression, everyone, case.site.regions, unit.today))
                for _ in range(20)
            ]
            found = evaluate(expression, everyone, case.site.regions, unit.today)
            if what == "award" and set(found) != set(_people.eligible(case.drawn).tolist()):
                raise SystemExit("the audience of the award is not the one numpy finds")
            note = f"bar 20; {len(found):,} people"
            case.add(f"audience: {what}", statistics.median(times) * 1e3, "ms", note)


def six(drawn: Drawn) -> dict[str, Any]:
    """Six attributes with all, any and not."""
    return {
        "all": [
            _people.award(drawn),
            {
                "any": [
                    {"attribute": "interests", "in": list(_people.TOPICS[:5])},
                    {"attribute": "organization-kind", "in": ["university", "institute"]},
                ]
            },
            {"not": {"attribute": "birth-year", "from": 2000}},
        ]
    }


def ratios(case: Case, rounds: int) -> None:
    """Publish to 15 prefectures against two ways to write a row for each recipient, alternating."""
    codes = prefectures(case)
    wanted = inside(case, codes)
    engine = case.site.runtime.engine
    Peers.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bench_bare (notice_id INTEGER, user_id INTEGER)")
        connection.exec_driver_sql("CREATE TABLE bench_who (user_id INTEGER)")
        who = np.random.default_rng(6).permutation(wanted).tolist()
        connection.execute(sa.text("INSERT INTO bench_who VALUES (:who)"), [{"who": w} for w in who])
    ours, naive, bare, ready = [], [], [], []
    for number in range(rounds):
        ours.append(spent(case, partial(send, case.site, f"ratio-{number}", codes)) / len(wanted))
        naive.append(spent(case, partial(one_by_one, case, number, wanted)) / min(NAIVE, len(wanted)))
        bare.append(spent(case, partial(chosen, case, number, codes)) / len(wanted))
        ready.append(spent(case, partial(copied, case, number)) / len(wanted))
    with case.site.reading() as unit:
        check(case, unit, "ratio-0", wanted)
    mine = statistics.median(ours)
    case.add(f"publish to {len(wanted):,}", mine * len(wanted) * 1e3, "ms CPU")
    case.add("deliveries", 1 / mine / 1e6, "M/s CPU")
    peers = {
        "naive ORM, one object a person": naive,
        "bare INSERT … SELECT from the people": bare,
        "bare INSERT … SELECT from a table of ready ids": ready,
    }
    for what, times in peers.items():
        peer = statistics.median(times)
        case.add(what, 1 / peer / 1e6, "M/s CPU", "ours", peer / mine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE bench_bare")
        connection.exec_driver_sql("DROP TABLE bench_who")
    Peers.metadata.drop_all(engine)


def check(case: Case, unit: Any, key: str, wanted: Ids) -> None:
    """Stop unless the frozen audience of ``key`` is exactly ``wanted``."""
    notice = unit.session.scalars(sa.select(Notice).where(Notice.ikey == key)).one()
    frozen, truth = addressed(unit, notice), BitMap(wanted)
    if frozen != truth:
        wrong = f"{len(truth - frozen)} are missing, {len(frozen - truth)} too many"
        raise SystemExit(f"{case.name}: the frozen audience of {key} is not the one numpy finds: {wrong}")


def one_by_one(case: Case, number: int, wanted: Ids) -> None:
    """The naive way, for the first of them."""
    with Session(case.site.runtime.engine) as session:
        session.connection(execution_options={WRITE: True})
        for user in wanted[:NAIVE].tolist():
            session.add(Naive(user_id=user, notice_id=number))
        session.commit()


def chosen(case: Case, number: int, codes: Sequence[str]) -> None:
    """The same pairs as the database finds them among the people, written without any index."""
    # The sign keeps SQLite from its index, which costs more than reading everybody.
    region = "+region" if is_sqlite(case.site.runtime.engine) else "region"
    inside = " OR ".join(f"{region} BETWEEN '{c}' AND '{c[:4]}99'" for c in codes)
    with case.site.runtime.engine.connect() as connection:
        connection = connection.execution_options(**{WRITE: True})
        connection.exec_driver_sql(
            f"INSERT INTO bench_bare SELECT {number}, id FROM core_user WHERE {inside}"
        )
        connection.commit()


def copied(case: Case, number: int) -> None:
    """The same pairs from a table that holds nothing but their ids: what a database can write at all."""
    with case.site.runtime.engine.connect() as connection:
        connection = connection.execution_options(**{WRITE: True})
        connection.exec_driver_sql(f"INSERT INTO bench_bare SELECT {number}, user_id FROM bench_who")
        connection.commit()


def visible(case: Case) -> None:
    """Publish to everybody 20 times; another process sees it in the inbox of everybody it watches."""
    watched = np.random.default_rng(3).choice(case.drawn.ids, WATCHED, replace=False).tolist()
    with beside(case, watched) as ask:
        times = []
        for number in range(20):
            begin = time.monotonic()
            send(case.site, f"everybody-{number}", [_people.PROVINCE])
            times.append(ask({"see": f"everybody-{number}"}) - begin)
    note = f"bar 0.5; median {statistics.median(times):.3f}; {WATCHED} inboxes in another process"
    case.add("publish to all → in every inbox watched, worst of 20", max(times), "s", note)


def step(case: Case) -> None:
    """A person moves; another process knows it."""
    user = int(case.drawn.ids[len(case.drawn.ids) // 2])
    with beside(case, [user]) as ask:
        times = []
        for county in case.drawn.counties[:10]:
            with case.site.writing() as unit:
                unit.session.execute(sa.update(User).where(User.id == user).values(region=county))
                unit.record("user.changed", "user", user, system())
            begin = time.monotonic()
            times.append(ask({"moved": [user, county]}) - begin)
    case.add("a change → in step in another process, worst of 10", max(times), "s", "bar 1")


def inboxes(case: Case) -> None:
    """Read inboxes with 200 active notices, and mark as read, while a fan-out runs."""
    with case.site.reading() as unit:
        there = len(inbox(Actor(user_id=int(case.drawn.ids[0])), unit, limit=1).items)
    assert there, "nothing is active"
    random = np.random.default_rng(4)
    for number in range(ACTIVE):
        codes = [case.drawn.counties[random.integers(len(case.drawn.counties))] for _ in range(3)]
        send(case.site, f"active-{number}", codes if number % 2 else [_people.PROVINCE])
    note(case, "idle", *read_and_mark(case, random, lambda: False))
    with beside(case, []) as ask:
        fan = threading.Thread(target=ask, args=({"publish": ["fan", FANNED, prefectures(case)]},))
        fan.start()
        note(case, "during a fan-out", *read_and_mark(case, random, fan.is_alive))
        fan.join()


def note(case: Case, when: str, reads: Sequence[float], marks: Sequence[float]) -> None:
    """The figures of one round."""
    bar = 5 if case.name == "sqlite" else 20
    what = f"bar {bar}; p50 {quantile(reads, 0.5):.2f}, max {max(reads):.1f}, {len(reads)} pages"
    case.add(f"inbox with {ACTIVE} active notices, {when}, p99", quantile(reads, 0.99), "ms", what)
    case.add(f"mark as read, {when}, worst of {len(marks)}", max(marks), "ms", "bar 100")


def read_and_mark(
    case: Case, random: np.random.Generator, more: Callable[[], bool]
) -> tuple[list[float], list[float]]:
    """Milliseconds of at least 1,000 inbox pages, and of a mark after each fifth, while there is ``more``."""
    reads: list[float] = []
    marks: list[float] = []
    while len(reads) < 1000 or more():
        actor = Actor(user_id=int(random.choice(case.drawn.ids)))
        with case.site.reading() as unit:
            begin = time.perf_counter()
            page = inbox(actor, unit)
            reads.append((time.perf_counter() - begin) * 1e3)
        if len(reads) % 5 == 0 and page.items:
            begin = time.perf_counter()
            with case.site.writing() as unit:
                open_(actor, unit, page.items[0].notice.public_id)
            marks.append((time.perf_counter() - begin) * 1e3)
    return reads, marks


def year(case: Case) -> None:
    """102 notices with the deliveries of the source's year: bytes for each, and seconds in all."""
    random = np.random.default_rng(5)
    sizes = np.bincount(case.drawn.county, minlength=len(case.drawn.counties))
    target = DELIVERIES / NOTICES * len(case.drawn.ids) / _people.PEOPLE
    before, deliveries, begin = stored(case), 0, time.perf_counter()
    for number in range(NOTICES):
        order = random.permutation(len(sizes))
        left = target * (number + 1) - deliveries
        upto = int(np.searchsorted(np.cumsum(sizes[order]), left)) + 1
        codes = [case.drawn.counties[i] for i in order[:upto]]
        send(case.site, f"year-{number}", codes)
        deliveries += int(sizes[order[:upto]].sum())
    took, grown = time.perf_counter() - begin, stored(case) - before
    case.add(f"{NOTICES} notices, {deliveries:,} deliveries", took, "s wall")
    case.add("storage", grown / deliveries, "B/delivery", f"bar 2.5; {grown / 1e6:.1f} MB")


def stored(case: Case) -> int:
    """Bytes of the database that hold something."""
    with case.site.runtime.engine.connect() as connection:
        if not is_sqlite(connection):
            return int(connection.scalar(sa.text(SIZE)) or 0)
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, free, size = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size


if __name__ == "__main__":
    main()
