"""Import users and offers as the command does: read, validated, written with events; indexes follow later.

    python benchmarks/importing.py --offers 146000 --database sqlite,postgresql

PostgreSQL is the server of KEYUN_TEST_DATABASE_URL. The second import of the same file is what a
repeated import costs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import generate
from _report import Row, parser, peak_megabytes, report
from keyun import config
from keyun.access import system
from keyun.exchange import Importer, run
from keyun.exchange.importing import CHUNK, check
from keyun.exchange.readers import Raw, opened
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.testing.databases import Databases
from keyun.testing.instances import write_instance

FILES = {"organizations": "organizations.csv", "users": "users.csv", "offers": "offers.jsonl"}
PLUGIN = "marketplace"


def corpus(offers: int, folder: Path) -> None:
    """Write as many users as offers, and a tenth as many organizations."""
    size = max(offers, 100)
    scale = generate.Scale(
        f"import-{offers}", offers, needs=1, users=size, workers=size // 2, organizations=size // 10
    )
    generate.generate(scale, folder, FILES.values())


def chunks(rows: Iterator[Raw]) -> Iterator[list[Raw]]:
    """``rows`` as the import takes them."""
    chunk: list[Raw] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    yield chunk


def checked(importer: Importer, path: Path) -> tuple[float, float]:
    """Rows for each second of reading alone, and of reading and validation."""
    start = time.perf_counter()
    with opened(path) as table:
        count = sum(1 for _ in table.rows({}))
    reading, start = time.perf_counter() - start, time.perf_counter()
    schema, seen = importer.schema(), dict[int, int]()
    with opened(path) as table:
        bad = sum(len(check(schema, importer.key, chunk, seen)[1]) for chunk in chunks(table.rows({})))
    if bad:
        raise SystemExit(f"{path}: {bad} rows of the corpus are not valid; generate it anew")
    return count / reading, count / (time.perf_counter() - start)


def imported(site: Site, folder: Path, database: str) -> Iterator[Row]:
    """Import every file, and the offers twice."""
    for name in (*FILES, "offers"):
        cpu = time.process_time()
        done = run(site, site.importers[name], folder / FILES[name], system())
        cpu = time.process_time() - cpu
        if done.failed:
            raise SystemExit(f"{name}: {done.failed} of {done.read} rows refused, see {folder}")
        what = f"{database}: {name}, {'again' if done.changed or not done.created else 'new'}"
        yield Row(what, done.read / done.seconds, "rows/s", f"{cpu / done.read * 1e6:.0f} µs CPU a row here")


def measure(offers: int, names: list[str]) -> list[Row]:
    """Every figure, on one corpus and a fresh instance for each database."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        corpus(offers, folder / "corpus")
        databases = Databases(folder / "databases")
        databases.folder.mkdir()
        for database in names:
            instance = folder / database
            url = databases.copy(database, [PLUGIN], instance)
            write_instance(instance, url, [PLUGIN], {})
            site = Site.open(Runtime(config.load(instance, {})))
            site.plugins.raise_faults()
            if not rows:
                for name, file in FILES.items():
                    reading, validated = checked(site.importers[name], folder / "corpus" / file)
                    rows.append(Row(f"{file}: read", reading, "rows/s"))
                    rows.append(Row(f"{file}: read and validated", validated, "rows/s"))
            rows += imported(site, folder / "corpus", database)
            site.runtime.close()
            databases.drop(url)
        databases.close()
    rows.append(Row("peak memory of this process", peak_megabytes(), "MB"))
    return rows


def main() -> None:
    """Run the command line."""
    options = parser("Import users and offers.")
    options.add_argument("--offers", type=int, default=20_000, help="number of offers and of users (20000)")
    options.add_argument(
        "--database", default="sqlite", help="sqlite, postgresql or both with a comma (sqlite)"
    )
    given = options.parse_args()
    report("importing", measure(given.offers, given.database.split(",")), given.json)


if __name__ == "__main__":
    main()
