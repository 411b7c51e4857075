"""Read the first sheet of an XLSX file, row by row, from files that may be damaged or hostile."""

from __future__ import annotations

import datetime as dt
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from keyun.errors import Invalid
from keyun.exchange.readers import Raw, Table, header

#: Bytes of the file, and of what it unpacks to.
MAX_PACKED = 200 << 20
MAX_UNPACKED = 512 << 20
#: Sheets shrink to a tenth or so; a part that shrinks more than this is a bomb.
MAX_RATIO, SMALL = 200, 10 << 20
#: What a formula leaves that could not be computed.
FAULTS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})
OLE = b"\xd0\xcf\x11\xe0"


@contextmanager
def xlsx(path: Path) -> Iterator[Table]:
    """Open the first sheet; formulas count as the values they had when the file was saved.

    :raises Invalid: when this is no sound XLSX file of a size that can be read.
    """
    _check(path)
    from openpyxl import load_workbook

    # Opened here, because openpyxl leaves a file open that it cannot read.
    with path.open("rb") as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                book = load_workbook(file, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            # The size a file claims may be a million empty rows of 16,384 cells.
            sheet.reset_dimensions()
            rows = sheet.iter_rows(values_only=True)
            first = next(rows, ())
        # openpyxl meets damaged parts with many kinds of errors.
        except Exception as e:
            raise Invalid(f"{path}: cannot be read as XLSX ({_reason(e)}); save it again") from e
        columns = header([_cell(c) for c in first], path)
        yield Table(columns, partial(_rows, rows, columns))


def _check(path: Path) -> None:
    """Look at the directory of the file before anything is unpacked."""
    with path.open("rb") as f:
        if f.read(4) == OLE:
            raise Invalid(f"{path}: an old .xls, or it has a password; save it as .xlsx without one")
    if path.stat().st_size > MAX_PACKED:
        raise Invalid(f"{path}: larger than {MAX_PACKED >> 20} MB; split it or save it as CSV")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as e:
        raise Invalid(f"{path}: not a whole XLSX file ({e}); save it again as .xlsx or as CSV") from None
    unpacked = sum(p.file_size for p in parts)
    if unpacked > MAX_UNPACKED:
        raise Invalid(f"{path}: unpacks to {unpacked >> 20} MB (limit {MAX_UNPACKED >> 20}); save it as CSV")
    if any(p.file_size > SMALL and p.file_size > MAX_RATIO * p.compress_size for p in parts):
        raise Invalid(f"{path}: unpacks to more than {MAX_RATIO} times its size; save it as CSV")


def _rows(rows: Iterator[tuple[Any, ...]], columns: list[str], names: Mapping[str, str]) -> Iterator[Raw]:
    keys, width, number = [names.get(c, c) for c in columns], len(columns), 0
    for line, values in enumerate(_sound(rows), start=2):
        if isinstance(values, str):
            yield Raw(number + 1, {}, f"第 {line} 行 (row {line}): {values}")
            return
        cells = [_cell(c) for c in values]
        if not any(cells):
            continue
        number += 1
        problem = ""
        if any(cells[width:]):
            problem = f"第 {line} 行的单元格多于表头 (row {line} has more cells than columns)"
        elif faults := FAULTS.intersection(cells):
            problem = f"第 {line} 行的公式出错 (row {line}: the formula gave {', '.join(sorted(faults))})"
        yield Raw(number, dict(zip(keys, cells, strict=False)), problem)


def _sound(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...] | str]:
    """The rows as far as the sheet is sound, then a text that says where it breaks off."""
    try:
        yield from rows
    # openpyxl meets damaged parts with many kinds of errors.
    except Exception as e:
        yield f"文件从这里起损坏，其后没有读 (the file is damaged from here on, {_reason(e)})"


def _reason(error: Exception) -> str:
    """The first cause in one line; openpyxl wraps it in advice."""
    cause = error.__cause__ or error.__context__ or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]


def _cell(value: Any) -> str:
    """A cell as it would stand in a CSV file."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
