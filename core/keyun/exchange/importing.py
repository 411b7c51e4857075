"""Run an import: validate, write in chunks, and keep a row for everything that was refused."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from marshmallow import EXCLUDE, Schema, ValidationError

from keyun.access import Actor
from keyun.db import is_sqlite
from keyun.errors import Invalid, KeyunError
from keyun.exchange.columns import ROW, match
from keyun.exchange.exporting import unescaped
from keyun.exchange.readers import Raw, Table, format_of, opened
from keyun.exchange.refused import RefusedFile, original
from keyun.exchange.types import Importer, Row, RowError, Written
from keyun.forms import complaint

if TYPE_CHECKING:
    from keyun.site import Site

log = logging.getLogger(__name__)
CHUNK = 1000
#: After how many chunks PostgreSQL takes stock of its tables: soon, and when they are large.
STOCK_AFTER = (1, 100)
Progress = Callable[[str], None]
#: What a database says when it does not want a row.
REFUSALS = (sa.exc.IntegrityError, sa.exc.DataError, OverflowError)


@dataclass(slots=True)
class Report:
    """What an import did, in records; in a dry run, what it would do. ``notes`` concern the whole file."""

    read: int = 0
    created: int = 0
    changed: int = 0
    failed: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


class _Undo(Exception):
    """Takes a dry run back."""


def run(
    site: Site, importer: Importer, path: Path, actor: Actor, *, errors_path: Path | None = None,
    progress: Progress = lambda text: None, dry_run: bool = False, kind: str | None = None,
) -> Report:  # fmt: skip
    """Import ``path``. Each chunk of 1,000 rows is one transaction: what was committed stays.

    Run again after a break or with the same file it ends in the same state. Refused rows go to
    ``errors_path`` (default: the name of the file and ``.errors.csv``) with their reasons, ready to be
    corrected and imported alone. ``progress`` hears notes at once and a line about every second.

    :raises Invalid: when the file as a whole cannot be read; nothing was written then.
    :raises Forbidden: when ``actor`` may not.
    """
    site.access.require(actor, importer.permission)
    target = errors_path or path.with_name(path.name + ".errors.csv")
    if target.resolve() == path.resolve():
        raise Invalid(f"{target}: refused rows cannot go into the file they come from; name another")
    report, teller = Report(), _Teller(importer.name, progress)
    schema, seen = importer.schema(), dict[int, int]()
    with opened(path, kind) as table:
        names, unknown = match(schema, table, path)
        report.notes += [*table.notes, *([f"columns left out: {', '.join(unknown)}"] if unknown else [])]
        for note in report.notes:
            progress(f"{path.name}: {note}")
        rows = _rows(table, names, format_of(path, kind) == "xlsx")
        with RefusedFile(target, _columns(table, names, schema), names) as refused:
            for count, chunk in enumerate(_chunks(rows), start=1):
                good, bad = check(schema, importer.key, chunk, seen)
                written = _write(site, importer, actor, good, dry_run) if good else Written(0, 0)
                bad += _with_source(written.errors, chunk)
                for error in sorted(bad, key=lambda e: e.number):
                    refused.add(error)
                report.read += len(chunk)
                report.created += written.created
                report.changed += written.changed
                report.failed += len(bad)
                teller.tell(report)
                _take_stock(site, count)
    report.seconds = teller.seconds()
    return report


def _rows(table: Table, names: Mapping[str, str], is_sheet: bool) -> Iterator[Raw]:
    """The records; in a file that we wrote ourselves, without the marks that make cells harmless."""
    rows = table.rows(names)
    if table.columns[:1] != [ROW]:
        return rows

    def plain(value: Any) -> Any:
        return original(unescaped(value) if is_sheet else value)

    return (r._replace(values={k: plain(v) for k, v in r.values.items()}) for r in rows)


def _columns(table: Table, names: Mapping[str, str], schema: Schema) -> list[str]:
    """The columns refused rows are written with; a JSONL file has not named all of them at its top."""
    if table.has_header:
        return table.columns
    return [*table.columns, *(f for f in schema.fields if f not in {*names.values(), *table.columns})]


class _Teller:
    """Says how far an import is, about every second."""

    def __init__(self, name: str, say: Progress) -> None:
        self._name, self._say = name, say
        self._started = self._told = time.monotonic()

    def seconds(self) -> float:
        """Since the import began."""
        return time.monotonic() - self._started

    def tell(self, report: Report) -> None:
        """Say where ``report`` stands, unless that was said a moment ago."""
        now = time.monotonic()
        if now - self._told >= 1:
            self._told = now
            rate = report.read / (now - self._started)
            self._say(f"{self._name}: {report.read:,} rows, {report.failed:,} refused, {rate:,.0f} rows/s")


def _chunks(rows: Iterator[Raw]) -> Iterator[list[Raw]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def check(
    schema: Schema, key: str, chunk: Iterable[Raw], seen: dict[int, int]
) -> tuple[list[tuple[int, Row]], list[RowError]]:
    """Validate ``chunk``; ``seen`` maps the hashes of the keys so far to the records that had them first."""
    good: list[tuple[int, Row]] = []
    bad: list[RowError] = []
    for number, values, problem in chunk:
        if problem:
            bad.append(RowError(number, problem, values))
            continue
        try:
            row: Row = schema.load(values, unknown=EXCLUDE)
        except ValidationError as e:
            bad.append(RowError(number, str(complaint(schema, e)), values))
            continue
        # 64 bits of millions of keys: two alike by chance are one case in ten million imports.
        first = number if (own := row.get(key)) is None else seen.setdefault(hash(own), number)
        if first == number:
            good.append((number, row))
        else:
            text = f"{key} {own} 与第 {first} 条记录重复 (the same {key} as record {first})"
            bad.append(RowError(number, text, values))
    return good, bad


def _write(
    site: Site, importer: Importer, actor: Actor, rows: Sequence[tuple[int, Row]], dry_run: bool
) -> Written:
    """Write ``rows`` in one transaction; when the database refuses one, halve until it is found."""
    written = Written(0, 0)
    try:
        with site.writing() as unit:
            written = importer.write(actor, unit, rows)
            if not isinstance(written, Written):
                raise TypeError(f"write returned {type(written).__name__}, not Written")
            if dry_run:
                raise _Undo
    except _Undo:
        pass
    except REFUSALS as e:
        if len(rows) == 1:
            reason = getattr(e, "orig", None) or e
            text = f"数据库没有接受这一行 (the database refused it: {' '.join(str(reason).split())})"
            return Written(0, 0, [RowError(rows[0][0], text, rows[0][1])])
        middle = len(rows) // 2
        halves = [_write(site, importer, actor, part, dry_run) for part in (rows[:middle], rows[middle:])]
        errors = [e for h in halves for e in h.errors]
        return Written(sum(h.created for h in halves), sum(h.changed for h in halves), errors)
    except (KeyunError, sa.exc.SQLAlchemyError):
        raise
    # An importer may be a stranger's.
    except (Exception, SystemExit) as e:
        log.exception("importer %s failed", importer.name)
        raise KeyunError(
            f"importer {importer.name} failed at records {rows[0][0]} to {rows[-1][0]} "
            f"({type(e).__name__}: {e}); earlier ones are in; repair it and import the same file again"
        ) from e
    return written


def _with_source(errors: Sequence[RowError], chunk: Sequence[Raw]) -> list[RowError]:
    """``errors`` with the rows as they stand in the file, not as they were understood."""
    if not errors:
        return []
    sources: Mapping[int, dict[str, Any]] = {r.number: r.values for r in chunk}
    return [RowError(e.number, e.reasons, sources[e.number]) for e in errors]


def _take_stock(site: Site, chunks: int) -> None:
    """Let PostgreSQL look at what grew.

    It plans by statistics that it gathers by itself a minute later; until then it may read a whole
    table for every chunk, because it takes it for empty.
    """
    engine = site.runtime.engine
    if chunks in STOCK_AFTER and not is_sqlite(engine):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
