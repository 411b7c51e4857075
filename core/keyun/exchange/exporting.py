"""Write CSV, XLSX and JSONL that the import reads back as they were; memory stays bounded."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyun.access import Actor
from keyun.errors import Invalid
from keyun.exchange.columns import ROW
from keyun.exchange.readers import format_of
from keyun.exchange.refused import harmless
from keyun.exchange.types import Exporter, Row
from keyun.exchange.xlsx import FAULTS
from keyun.forms import SEPARATORS

if TYPE_CHECKING:
    from keyun.site import Site

#: What one sheet and one cell can hold.
MAX_ROWS, MAX_CELL = 1_048_576, 32_767
#: Characters that XML cannot hold or would change, and underscores that would look like their stand-ins.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
STAND_IN = re.compile("_x([0-9A-Fa-f]{4})_")
Progress = Callable[[str], None]


def write(
    site: Site, exporter: Exporter, path: Path, actor: Actor, *, kind: str | None = None,
    progress: Progress = lambda text: None,
) -> int:  # fmt: skip
    """Write everything ``exporter`` reads into ``path``, in one step: whole or not at all.

    Only the operator's account can read the file. In CSV and XLSX a text that a spreadsheet would take
    for a formula gets an apostrophe in front; the column ``_row`` tells the import to take it away again.

    :raises Invalid: when the file cannot be written, or XLSX cannot hold a record.
    :raises Forbidden: when ``actor`` may not.
    """
    site.access.require(actor, exporter.permission)
    writer = {"csv": _csv, "xlsx": _xlsx, "jsonl": _jsonl}[format_of(path, kind)]
    columns = [field.data_key or name for name, field in exporter.schema().fields.items()]
    try:
        with _whole(path) as temporary, site.reading() as unit:
            return writer(temporary, columns, _told(exporter, exporter.read(actor, unit), progress))
    except OSError as e:
        raise Invalid(f"{path}: {e.strerror or e}; choose a folder that exists and has room") from e


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file beside ``path`` that takes its place when everything went well."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as f:
            os.fsync(f.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _told(exporter: Exporter, rows: Iterable[Row], progress: Progress) -> Iterator[Row]:
    """The rows, with a line about how far it is about every second."""
    told = time.monotonic()
    for count, row in enumerate(rows, start=1):
        yield row
        if count % 1000 == 0 and (now := time.monotonic()) - told >= 1:
            told = now
            progress(f"{exporter.name}: {count:,} rows")


def _csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> int:
    # With a mark in front spreadsheets read it as UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as f:
        writer = csv.writer(f)
        writer.writerow([ROW, *columns])
        count = 0
        for count, row in enumerate(rows, start=1):
            writer.writerow([count, *(_cell(row.get(c)) for c in columns)])
    return count


def _jsonl(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> int:
    with path.open("w", encoding="utf-8", newline="") as f:
        count = 0
        for row in rows:
            count += 1
            f.write(json.dumps({c: row.get(c) for c in columns}, ensure_ascii=False) + "\n")
    return count


def _xlsx(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> int:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    try:
        sheet.append([ROW, *columns])
        count = 0
        for count, row in enumerate(rows, start=1):
            if count >= MAX_ROWS:
                raise Invalid(f"a sheet holds {MAX_ROWS - 1:,} records; export as CSV or JSONL")
            sheet.append([count, *map(partial(_sheet_cell, count), (row.get(c) for c in columns))])
    finally:
        # Ends the file in which openpyxl gathers the rows, also when they break off.
        sheet.close()
    book.save(path)
    return count


def _sheet_cell(number: int, value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = escaped(_cell(value))
    if len(text) > MAX_CELL:
        raise Invalid(f"record {number} has a text longer than a cell of XLSX; export as CSV or JSONL")
    return text or None


def _cell(value: Any) -> str:
    """``value`` as a cell; a list that cannot be told apart at its separators stands as JSON."""
    if isinstance(value, list) and any(SEPARATORS.search(str(v)) or str(v).startswith("[") for v in value):
        return json.dumps(value, ensure_ascii=False)
    return harmless(value)


def escaped(text: str) -> str:
    """``text`` as XLSX can hold it, control characters in the notation of that format (``_x000D_``)."""
    text = UNSAFE.sub(lambda m: f"_x{ord(m[0]):04X}_", text)
    return f"_x{ord(text[0]):04X}_{text[1:]}" if text in FAULTS else text


def unescaped(text: Any) -> Any:
    """What :func:`escaped` made ``text`` from; anything else comes back as it is."""
    return STAND_IN.sub(lambda m: chr(int(m[1], 16)), text) if isinstance(text, str) else text
