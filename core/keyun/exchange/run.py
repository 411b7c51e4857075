"""Run an import: validate, write in chunks, and keep a row for everything that was refused."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, ValidationError

from keyun.access import Actor
from keyun.errors import Invalid
from keyun.exchange.readers import Raw, read
from keyun.exchange.types import Importer, Row, RowError
from keyun.forms import complaint

if TYPE_CHECKING:
    from keyun.site import Site

CHUNK = 1000
#: Characters that make a spreadsheet take a cell for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
Progress = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What an import did."""

    read: int = 0
    created: int = 0
    changed: int = 0
    failed: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def run(
    site: Site, importer: Importer, path: Path, actor: Actor, *, errors_path: Path | None = None,
    progress: Progress = lambda text: None, dry_run: bool = False, kind: str | None = None,
) -> Report:  # fmt: skip
    """Import ``path``. Each chunk of 1,000 rows is one transaction: what was committed stays.

    Run again after a break or with the same file it ends in the same state. Refused rows go to
    ``errors_path`` with their reasons, ready to be corrected and imported alone.
    """
    report, started, told = Report(), time.monotonic(), 0.0
    schema = importer.schema()
    seen: dict[bytes, int] = {}
    with _ErrorFile(errors_path or path.with_name(path.name + ".errors.csv")) as errors:
        rows = _named(read(path, kind), schema, path, report)
        for chunk in _chunks(rows):
            good, bad = _validate(schema, chunk, seen)
            report.read += len(chunk)
            if good and not dry_run:
                with site.writing() as unit:
                    written = importer.write(actor, unit, good)
                report.created += written.created
                report.changed += written.changed
                sources = {r.number: r.values for r in chunk}
                bad += [RowError(e.number, e.reasons, sources[e.number]) for e in written.errors]
            for error in sorted(bad, key=lambda e: e.number):
                errors.add(error)
            report.failed += len(bad)
            elapsed = time.monotonic() - started
            if elapsed - told >= 1:
                told = elapsed
                progress(f"{importer.name}: {report.read} rows, {report.failed} refused, {report.read / elapsed:.0f}/s")
    report.seconds = time.monotonic() - started
    return report


def _named(rows: Iterable[Raw], schema: Schema, path: Path, report: Report) -> Iterator[Raw]:
    """Give columns the names of the schema's fields; refuse a file that lacks a required one."""
    names = {str(f.metadata.get("label", n)): n for n, f in schema.fields.items()} | {n: n for n in schema.fields}
    known: dict[str, str] | None = None
    for row in rows:
        if known is None and not row.problem:
            known = {k: names[k] for k in row.values if k in names}
            required = {n for n, f in schema.fields.items() if f.required}
            if missing := sorted(required - set(known.values())):
                columns = ", ".join(schema.fields)
                raise Invalid(f"{path}: column(s) {', '.join(missing)} missing; expected {columns}")
            if unknown := [k for k in row.values if k and k not in names]:
                report.notes.append(f"columns left out: {', '.join(unknown)}")
        yield Raw(row.number, {names.get(k, k): v for k, v in row.values.items()}, row.problem)


def _chunks(rows: Iterator[Raw]) -> Iterator[list[Raw]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _validate(
    schema: Schema, chunk: Sequence[Raw], seen: dict[bytes, int]
) -> tuple[list[tuple[int, Row]], list[RowError]]:
    good: list[tuple[int, Row]] = []
    bad: list[RowError] = []
    for raw in chunk:
        if raw.problem:
            bad.append(RowError(raw.number, raw.problem, raw.values))
            continue
        try:
            row = schema.load(raw.values)
        except ValidationError as e:
            bad.append(RowError(raw.number, str(complaint(schema, e)), raw.values))
            continue
        first = _repeated(row, raw.number, seen)
        if first is None:
            good.append((raw.number, row))
        else:
            text = f"external_id 与第 {first} 条重复 (same external_id as record {first})"
            bad.append(RowError(raw.number, text, raw.values))
    return good, bad


def _repeated(row: Row, number: int, seen: dict[bytes, int]) -> int | None:
    """The number of an earlier record with the same external id; a digest keeps millions small."""
    key = row.get("external_id") or row.get("user")
    if key is None:
        return None
    digest = hashlib.blake2b(str(key).encode("utf-8", "replace"), digest_size=8).digest()
    first = seen.setdefault(digest, number)
    return None if first == number else first


class _ErrorFile(AbstractContextManager["_ErrorFile"]):
    """Refused rows as CSV; the file exists only when there are any."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None
        self._columns: list[str] = []
        self._writer: Any = None
        path.unlink(missing_ok=True)

    def add(self, error: RowError) -> None:
        """Write one refused row: number, reasons, then its columns."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8-sig", newline="")
            self._columns = list(error.row)
            self._writer = csv.writer(self._file)
            self._writer.writerow(["_row", "_reasons", *self._columns])
        cells = [_harmless(error.row.get(c)) for c in self._columns]
        self._writer.writerow([error.number, error.reasons, *cells])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def _harmless(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        text = "；".join(str(v) for v in value)
    return f"'{text}" if text.startswith(FORMULA) else text
