"""Fold a year of usage, as a province has it, and ask for every quarter's distinct people.

    python benchmarks/usage.py --quick
    python benchmarks/usage.py --database sqlite,postgresql

71.19 million records of 18.94 million people over 183 counties, 365 days and 5 channels, written in the
format that web processes append. PostgreSQL is the server of KEYUN_TEST_DATABASE_URL. Every figure is
compared with what numpy counts while the records are made.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from pyroaring import BitMap

from _report import Row, parser, peak_megabytes, quantile, report
from keyun import config
from keyun.access import system
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.testing.databases import Databases
from keyun.testing.instances import write_instance
from keyun_usage import archive, erasing, folding, places, services, storing
from keyun_usage.grouping import as_number
from keyun_usage.layout import END, RECORDS, REGISTERED, START, WORD, block
from keyun_usage.models import Counter, People
from keyun_usage.reading import DTYPE
from keyun_usage.spool import ROTATE_BYTES, SUFFIX, Spool

Array = npt.NDArray[Any]
PLUGIN = "usage"
RECORDS_OF_YEAR, PEOPLE_OF_YEAR = 71_190_000, 18_940_000
QUICK = 71
FIRST, DAYS = dt.date(2025, 1, 1), 365
CHANNELS = ("web", "phone", "api", "feed", "kiosk")
#: Of a hundred records.
SHARES = (22, 58, 5, 5, 10)
SHANGHAI = 8 * 3600
BLOCK = 50_000


@dataclass(slots=True)
class Truth:
    """What numpy counted while the records were made."""

    counties: list[int]
    times: Array
    #: Who came in each month: a flag for each person.
    months: Array
    #: The people of a county are those from its bound to the next.
    bounds: Array
    records: int = 0
    bytes: int = 0
    files: list[Path] = field(default_factory=list)


def counties(site: Site) -> list[int]:
    """The codes of the counties of the home region."""
    found = [
        int(p.code) for p in site.regions.below("510000") if p.level == "county" and p.kind == "official"
    ]
    return found


def corpus(folder: Path, codes: list[int], size: int, people: int) -> Truth:
    """The records of ``folder``, made unless they are there."""
    kept = folder / f"truth-{size}-{people}.npz"
    if not kept.is_file():
        truth = make(folder / "spool", codes, size, people)
        np.savez(kept, times=truth.times, months=np.packbits(truth.months, axis=1), bounds=truth.bounds)
    held = np.load(kept)
    months = np.unpackbits(held["months"], axis=1, count=people).astype(bool)
    truth = Truth(codes, held["times"], months, held["bounds"], records=size)
    truth.files = sorted((folder / "spool").glob("*" + SUFFIX))
    truth.bytes = sum(p.stat().st_size for p in truth.files)
    return truth


def make(folder: Path, codes: list[int], size: int, people: int) -> Truth:
    """Write ``size`` records of exactly ``people`` people below ``folder``, day by day."""
    random = np.random.default_rng(20261124)
    weight = random.gamma(2.0, size=len(codes))
    bounds = np.concatenate(([0], np.cumsum(weight / weight.sum()) * people)).astype(np.int64)
    bounds[-1] = people
    county_of = np.repeat(np.arange(len(codes), dtype=np.uint8), np.diff(bounds))
    truth = Truth(
        codes, np.zeros((DAYS, len(codes), len(CHANNELS)), np.int64), np.zeros((12, people), bool), bounds
    )
    once = random.permutation(np.arange(people, dtype=np.uint32))
    codes_of, of_hundred = np.array(codes, dtype=np.uint32), np.repeat(np.arange(len(CHANNELS)), SHARES)
    writer = Writer(folder)
    for day in range(DAYS):
        number = size * (day + 1) // DAYS - size * day // DAYS
        first = once[people * day // DAYS : people * (day + 1) // DAYS]
        person = np.concatenate((first, random.integers(0, people, number - len(first), dtype=np.uint32)))
        records = np.zeros(number, DTYPE)
        midnight = int(dt.datetime.combine(FIRST, dt.time(), dt.UTC).timestamp()) + day * 86400 - SHANGHAI
        records["at"] = np.sort(random.integers(midnight, midnight + 86400, number, dtype=np.int64))
        county = county_of[person]
        records["region"] = codes_of[county]
        records["item"] = random.integers(1, 77_001, number)
        # Account numbers begin with 1.
        records["person"] = person + 1
        channel = of_hundred[random.integers(0, 100, number)]
        records["channel"] = channel + 1
        records["agent"], records["subject"] = len(CHANNELS) + 1, len(CHANNELS) + 2
        records["flags"] = REGISTERED
        cells = county.astype(np.int32) * len(CHANNELS) + channel
        truth.times[day] = np.bincount(cells, minlength=truth.times[day].size).reshape(truth.times[day].shape)
        month = (FIRST + dt.timedelta(days=day)).month - 1
        truth.months[month, person] = True
        writer.add(records)
        truth.records += number
    writer.end()
    truth.files, truth.bytes = writer.files, sum(p.stat().st_size for p in writer.files)
    return truth


class Writer:
    """Writes blocks and changes files as a web process does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder, self.files = folder, list[Path]()
        self._file: Any = None

    def add(self, records: Array) -> None:
        """Append ``records``."""
        for start in range(0, len(records), BLOCK):
            part = records[start : start + BLOCK]
            if self._file is None:
                self.files.append(self.folder / f"{len(self.files):06d}{SUFFIX}")
                self._file = self.files[-1].open("wb")
                words = (*CHANNELS, "browser", "popsci.article")
                named = [block(WORD, f"{n} {w}".encode()) for n, w in enumerate(words, 1)]
                self._file.write(block(START, b"{}") + b"".join(named))
            self._file.write(block(RECORDS, part.tobytes(), len(part), DTYPE.itemsize))
            if self._file.tell() >= ROTATE_BYTES:
                self.end()

    def end(self) -> None:
        """Close the file in order."""
        if self._file is not None:
            self._file.write(block(END))
            self._file.close()
            self._file = None


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the answer."""
    start = time.perf_counter()
    answer = call()
    return time.perf_counter() - start, answer


def measured(site: Site, database: str, truth: Truth) -> Iterator[Row]:
    """Fold, compare, ask, archive."""
    before, spool = stored(site), places.spool_folder(site.runtime.instance)
    spool.mkdir(parents=True)
    paths = [spool / p.name for p in truth.files]
    for source, path in zip(truth.files, paths, strict=True):
        shutil.copyfile(source, path)
    cpu = time.process_time() + server_seconds(site)
    seconds, done = timed(lambda: sum(folding.fold_file(site, p) for p in paths))
    cpu = time.process_time() + server_seconds(site) - cpu
    yield Row(
        f"{database}: folded, {done:,} records",
        done / seconds,
        "1/s",
        f"bar 2,000,000; CPU {cpu:.1f} s with the server",
    )
    loose = (stored(site) - before) / 1e6
    vacuum(site)
    dense = (stored(site) - before) / 1e6
    yield Row(f"{database}: counters and bitmaps", dense, "MB", f"bar 60 MB; {loose:.0f} MB before VACUUM")
    yield Row(f"{database}: figures that differ from numpy", wrong(site, truth), "", "bar 0")
    yield from quarters(site, database, truth)
    yield noted(site)
    start = time.perf_counter()
    for path in paths:
        folding.archive_if_complete(site, path)
    seconds = time.perf_counter() - start
    raw = sum(p.stat().st_size for p in places.raw_folder(site.runtime.instance).rglob("*.kyr"))
    yield Row(
        f"{database}: packed by day",
        done / seconds,
        "1/s",
        f"{raw / done:.2f} bytes a record, {raw / 1e6:.0f} MB",
    )
    yield from forgetting(site, database)


def server_seconds(site: Site) -> float:
    """The processor time of PostgreSQL's processes for this database so far; 0 with SQLite."""
    name, total = f" {site.runtime.engine.url.database} ", 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if name in (folder / "cmdline").read_text(errors="replace"):
                rest = (folder / "stat").read_text().rpartition(")")[2].split()
                total += int(rest[11]) + int(rest[12])
    return total / os.sysconf("SC_CLK_TCK")


def noted(site: Site) -> Row:
    """What a request pays for one opening."""
    spool = Spool(site.runtime.instance / "noted", site.runtime.clock)
    start = time.perf_counter()
    for number in range(100_000):
        spool.note(1_795_500_000, 511424, 7, number, ("web", "browser", "popsci.article"), REGISTERED)
    seconds = time.perf_counter() - start
    spool.close()
    return Row("one opening appended, within the request", seconds / 100_000 * 1e6, "µs")


def stored(site: Site) -> float:
    """The bytes that the tables of usage take on the disk; on SQLite the whole file."""
    if site.runtime.engine.dialect.name == "sqlite":
        return float(Path(str(site.runtime.engine.url.database)).stat().st_size)
    names = ("counter", "people", "part", "word", "day", "progress", "forgotten")
    with site.reading() as unit:
        sizes = [unit.session.scalar(sa.text(f"SELECT pg_total_relation_size('usage_{n}')")) for n in names]
    return float(sum(int(s or 0) for s in sizes))


def vacuum(site: Site) -> None:
    """Give back what rewriting has left behind."""
    engine = site.runtime.engine
    engine.dispose()
    if engine.dialect.name == "sqlite":
        with contextlib.closing(sqlite3.connect(str(engine.url.database), isolation_level=None)) as direct:
            direct.execute("VACUUM")
            direct.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM FULL usage_counter, usage_people"))


def wrong(site: Site, truth: Truth) -> int:
    """How many counters and counties' months differ from the truth."""
    index = {code: n for n, code in enumerate(truth.counties)}
    days = {as_number(FIRST + dt.timedelta(days=n)): n for n in range(DAYS)}
    found = np.zeros_like(truth.times)
    with site.reading() as unit:
        words = storing.texts(unit.session)
        query = sa.select(
            Counter.day, Counter.region, Counter.channel, Counter.users, Counter.visitors, Counter.verdict
        )
        for day, region, channel, users, visitors, verdict in unit.session.execute(query):
            if verdict == 0 and visitors == 0:
                found[days[day], index[region], CHANNELS.index(words[channel])] += users
        differ = int((found != truth.times).sum())
        held = unit.session.execute(sa.select(People.month, People.region, People.bits))
        for month, region, bits in held:
            start, end = truth.bounds[index[region]], truth.bounds[index[region] + 1]
            who = np.flatnonzero(truth.months[month % 100 - 1, start:end]) + start + 1
            differ += int(storing.bitmap(who) != BitMap.deserialize(bits))
    return differ


def quarters(site: Site, database: str, truth: Truth) -> Iterator[Row]:
    """Distinct people of every three months in a row, for the province; and a whole report."""
    took, differ = [], 0
    for first in range(1, 11):
        expected = int(truth.months[first - 1 : first + 2].any(axis=0).sum())
        for _ in range(3):
            with site.reading() as unit:
                seconds, found = timed(
                    lambda: services.distinct(system(), unit, "510000", 202500 + first, 202502 + first)  # noqa: B023
                )
            took.append(seconds * 1000)
            differ += found.people != expected
    yield Row(f"{database}: distinct people of any quarter, worst of 30", max(took), "ms", "bar 50 ms")
    yield Row(f"{database}: the same, median", quantile(took, 0.5), "ms")
    yield Row(f"{database}: quarters that differ from numpy", differ, "", "bar 0")
    with site.reading() as unit:
        seconds, found = timed(
            lambda: services.report(system(), unit, "510000", dt.date(2025, 4, 1), dt.date(2025, 6, 30))
        )
    yield Row(
        f"{database}: a whole report of a quarter",
        seconds * 1000,
        "ms",
        f"{found.total.counted:,} person-times",
    )


def forgetting(site: Site, database: str) -> Iterator[Row]:
    """Forget ten people: every month, and the raw records of ninety days."""
    raw = places.raw_folder(site.runtime.instance)
    archive.drop_before(raw, FIRST + dt.timedelta(days=DAYS - 90))
    with site.writing() as unit:
        for number in range(1000, 1010):
            erasing.ask(unit, number)
    seconds, (months, files) = timed(lambda: erasing.forget(system(), site))
    yield Row(
        f"{database}: ten people forgotten, 90 raw days", seconds, "s", f"{months} bitmaps, {files} raw files"
    )


def measure(size: int, people: int, names: list[str], folder: Path, kept: Path) -> Iterator[Row]:
    """Every figure, on one corpus and a fresh instance for each database."""
    databases = Databases(folder / "databases")
    databases.folder.mkdir()
    truth: Truth | None = None
    for database in names:
        instance = folder / database
        url = databases.copy(database, [PLUGIN], instance)
        write_instance(instance, url, [PLUGIN], {})
        site = Site.open(Runtime(config.load(instance, {})))
        site.plugins.raise_faults()
        if truth is None:
            truth = corpus(kept, counties(site), size, people)
            yield Row(f"{len(truth.counties)} counties: raw records in the spool", truth.bytes / 1e6, "MB")
        yield from measured(site, database, truth)
        site.runtime.close()
        databases.drop(url)
    databases.close()
    yield Row("peak memory of this process, truth included", peak_megabytes(), "MB")


def main() -> None:
    """Run the command line."""
    options = parser("Fold a year of usage and ask for distinct people.")
    options.add_argument("--corpus", type=Path, help="keep the records in this folder, for the next run")
    options.add_argument("--part", type=int, default=1, help="only a PARTth of records and people (1)")
    options.add_argument("--quick", action="store_true", help=f"a {QUICK}th of the records")
    options.add_argument(
        "--database", default="sqlite", help="sqlite, postgresql or both with a comma (sqlite)"
    )
    given = options.parse_args()
    part = QUICK if given.quick else given.part
    with tempfile.TemporaryDirectory() as temporary:
        size, people = RECORDS_OF_YEAR // part, PEOPLE_OF_YEAR // part
        folder = Path(temporary)
        kept = given.corpus or folder / "corpus"
        rows = list(measure(size, people, given.database.split(","), folder, kept))
    report("usage", rows, given.json)


if __name__ == "__main__":
    main()
