"""Read rows from CSV, XLSX and JSONL, one at a time, from files that people really have."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyun.errors import Invalid

FORMATS = {".csv": "csv", ".xlsx": "xlsx", ".jsonl": "jsonl", ".ndjson": "jsonl"}
#: An XLSX file may not unpack to more than this; a small file that does is a bomb.
MAX_UNPACKED = 1024 * 1024 * 1024
MAX_FIELD = 1_000_000


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as it stands in the file; ``problem`` says why it could not be read."""

    number: int
    values: dict[str, Any]
    problem: str = ""


def format_of(path: Path, given: str | None = None) -> str:
    """The format of ``path`` by its ending, or the one ``given``."""
    found = given or FORMATS.get(path.suffix.lower())
    if found is None:
        raise Invalid(f"{path}: unknown ending {path.suffix!r}; use .csv, .xlsx or .jsonl, or say --format")
    return found


def read(path: Path, kind: str | None = None) -> Iterator[Raw]:
    """Yield the records of ``path``; number 1 is the first one.

    :raises Invalid: when the file as a whole cannot be read, saying why and what to do.
    """
    reader = {"csv": _csv, "xlsx": _xlsx, "jsonl": _jsonl}[format_of(path, kind)]
    try:
        yield from reader(path)
    except OSError as e:
        raise Invalid(f"{path}: {e.strerror or e}; check the path and its permissions") from e


def _encoding(path: Path) -> str:
    """UTF-8, or GB18030 as Chinese spreadsheets save it."""
    with path.open("rb") as f:
        head = f.read(1 << 16)
    if b"\x00" in head:
        raise Invalid(f"{path}: this is not a text file; save it as CSV (UTF-8) and try again")
    try:
        # The piece may end within a character.
        head[: len(head) - 4 if len(head) > 1000 else len(head)].decode("utf-8-sig")
    except UnicodeDecodeError as e:
        if len(head) - e.start > 8:
            return "gb18030"
    return "utf-8-sig"


def _csv(path: Path) -> Iterator[Raw]:
    csv.field_size_limit(MAX_FIELD)
    with path.open(encoding=_encoding(path), errors="replace", newline="") as f:
        first = f.readline()
        f.seek(0)
        delimiter = max(",;\t", key=first.count)
        rows = csv.reader(f, delimiter=delimiter, strict=True)
        try:
            header = [h.strip().lstrip("\ufeff") for h in next(rows)]
        except (StopIteration, csv.Error):
            raise Invalid(f"{path}: the file is empty; the first line names the columns") from None
        number = 0
        while True:
            number += 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as e:
                # An open quote swallows the rest of the file: nothing after it can be trusted.
                yield Raw(number, {}, f"第 {rows.line_num} 行不是合格的 CSV ({e}; line {rows.line_num})")
                return
            if not any(row):
                number -= 1
                continue
            yield _row(number, header, row)


def _row(number: int, header: list[str], row: list[Any]) -> Raw:
    if len(row) > len(header) and any(row[len(header) :]):
        values = dict(zip(header, row, strict=False))
        return Raw(number, values, f"有 {len(row)} 列，表头只有 {len(header)} 列 (more cells than columns)")
    values = dict(zip(header, row, strict=False))
    if any(isinstance(v, str) and "\ufffd" in v for v in values.values()):
        return Raw(number, values, "含有无法识别的字符，请另存为 UTF-8 (undecodable characters)")
    return Raw(number, values)


def _xlsx(path: Path) -> Iterator[Raw]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(i.file_size for i in archive.infolist()) > MAX_UNPACKED:
                raise Invalid(f"{path}: unpacks to more than {MAX_UNPACKED >> 20} MB; split it")
    except zipfile.BadZipFile as e:
        raise Invalid(f"{path}: not an XLSX file ({e}); save it again as .xlsx or as CSV") from e
    from openpyxl import load_workbook

    try:
        book = load_workbook(path, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        first = next(rows, None)
    # openpyxl meets damaged parts with many kinds of errors.
    except Exception as e:
        raise Invalid(f"{path}: cannot be read as XLSX ({type(e).__name__}: {e}); save it again") from e
    if first is None:
        raise Invalid(f"{path}: the first sheet is empty; its first row names the columns")
    header = [str(h or "").strip() for h in first]
    number = 0
    for cells in rows:
        if not any(c is not None and c != "" for c in cells):
            continue
        number += 1
        yield _row(number, header, [_cell(c) for c in cells])
    book.close()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        text = str(value.isoformat())
        return text.removesuffix("T00:00:00")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, bool) else str(value)


def _jsonl(path: Path) -> Iterator[Raw]:
    number = 0
    with path.open("rb") as f:
        for line in io.BufferedReader(f):  # type: ignore[arg-type]
            if not line.strip():
                continue
            number += 1
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as e:
                yield Raw(number, {"line": line[:200].decode("utf-8", "replace")}, f"不是合格的 JSON ({e})")
                continue
            if not isinstance(row, dict):
                yield Raw(number, {"line": str(row)[:200]}, "每行须是一个 JSON 对象 (each line is one object)")
                continue
            yield Raw(number, row)
