"""Open CSV, XLSX and JSONL files that people really have, and read their records one at a time."""

from __future__ import annotations

import codecs
import csv
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

from keyun.errors import Invalid

FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".xlsx": "xlsx", ".xlsm": "xlsx", ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}  # fmt: skip
#: How much of the text that is not ASCII decides on the encoding.
SAMPLE = 1 << 16
#: A line may not be longer (characters); a file without line breaks must not fill the memory.
MAX_LINE = 4 << 20


class Raw(NamedTuple):
    """One record as it stands in the file, 1 is the first; ``problem`` says why it could not be read."""

    number: int
    values: dict[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """An open file: its columns in order, what people should know about it, and its records.

    ``rows(names)`` yields each record once, its columns renamed by ``names``. The columns of a JSONL
    file are the keys of its first record.
    """

    columns: list[str]
    rows: Callable[[Mapping[str, str]], Iterator[Raw]]
    notes: list[str] = field(default_factory=list)
    #: Whether every record has the columns named at the top.
    has_header: bool = True


def format_of(path: Path, given: str | None = None) -> str:
    """The format of ``path`` by its ending, or the one ``given``.

    :raises Invalid: when the ending says nothing.
    """
    found = given or FORMATS.get(path.suffix.lower())
    if found is None:
        old = "; an old .xls must be saved as .xlsx" if path.suffix.lower() == ".xls" else ""
        known = "use .csv, .xlsx or .jsonl, or say --format"
        raise Invalid(f"{path}: unknown ending {path.suffix!r}; {known}{old}")
    return found


def opened(path: Path, kind: str | None = None) -> AbstractContextManager[Table]:
    """Open ``path`` as a table; ``kind`` (csv, xlsx, jsonl) counts more than its ending.

    :raises Invalid: when the file as a whole cannot be read, saying why and what to do.
    """
    from keyun.exchange.xlsx import xlsx

    reader = {"csv": _csv, "xlsx": xlsx, "jsonl": _jsonl}[format_of(path, kind)]
    try:
        path.open("rb").close()
    except OSError as e:
        raise Invalid(f"{path}: {e.strerror or e}; check the path and its permissions") from None
    return reader(path)


def header(cells: list[str], path: Path) -> list[str]:
    """The names of the columns, one for each cell up to the last named one.

    :raises Invalid: when there are none, or two are the same.
    """
    names = [c.strip().lstrip("\ufeff") for c in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise Invalid(f"{path}: the file is empty; the first row names the columns")
    names = [n or f"(column {i} without a name)" for i, n in enumerate(names, start=1)]
    if doubled := sorted({n for n in names if names.count(n) > 1}):
        raise Invalid(f"{path}: column(s) {', '.join(doubled)} stand twice in the first row; remove one")
    return names


# Text ------------------------------------------------------------------------------------------------


def _encoding(path: Path) -> tuple[str, list[str]]:
    """UTF-8, or GB18030 as Chinese spreadsheets save it, with a note that says so."""
    sample = _sample(path)
    if sample[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise Invalid(f"{path}: this is UTF-16 text; save it as CSV (UTF-8) and try again")
    if sample[:4] == b"PK\x03\x04":
        raise Invalid(f"{path}: this is a packed file, perhaps XLSX; say --format xlsx or save it as CSV")
    if sample.count(0) > len(sample) // 100:
        raise Invalid(f"{path}: this is not a text file; save it as CSV (UTF-8) and try again")
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample)
    broken = sum(1 for c in text if "\ud800" <= c <= "\udfff")
    # One damaged line in UTF-8 leaves many sound characters; GB18030 read as UTF-8 leaves next to none.
    if 3 * broken > 2 * sum(1 for c in text if c > "\x7f"):
        return "gb18030", ["the file is in GB18030 (GBK), not UTF-8; it is read as such"]
    return "utf-8-sig", []


def _sample(path: Path) -> bytes:
    """The beginning, or the first piece that is not ASCII: only that tells encodings apart."""
    with path.open("rb") as f:
        first = piece = f.read(SAMPLE)
        while piece.isascii() and (piece := f.read(SAMPLE)):
            pass
        if not piece or piece is first:
            return first
        # A character may have begun before this piece; from the next line on it is whole.
        return first[:4] + piece[piece.find(b"\n") + 1 :] + f.read(SAMPLE)


class _Lines:
    """The lines of a text; those of the record at hand can be given back to be read again."""

    def __init__(self, file: TextIO) -> None:
        self._next: Iterator[str] = iter(partial(file.readline, MAX_LINE), "")
        self._back: deque[str] = deque()
        self.number = 0
        self.record: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._next)
        self.number += 1
        self.record.append(line)
        return line

    def first(self) -> str:
        """The first line, which is read again."""
        line = next(self, "")
        self._back.append(line)
        self.number = 0
        return line

    def give_back(self) -> int:
        """Give back all lines of the record but the first, and return the number of that one."""
        rest = self.record[1:]
        self._back.extendleft(reversed(rest))
        self.number -= len(rest)
        return self.number


@contextmanager
def _csv(path: Path) -> Iterator[Table]:
    encoding, notes = _encoding(path)
    # Bytes that mean nothing become lone surrogates, which no sound text holds.
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as f:
        lines = _Lines(f)
        rows = csv.reader(lines, delimiter=max(",;\t", key=lines.first().count), strict=True)
        try:
            columns = header(next(rows, []), path)
        except csv.Error as e:
            raise Invalid(f"{path}, line 1: {e}; the first row names the columns") from None
        yield Table(columns, partial(_csv_rows, lines, rows, columns), notes)


def _csv_rows(
    lines: _Lines, rows: Iterator[list[str]], columns: list[str], names: Mapping[str, str]
) -> Iterator[Raw]:
    keys, width, number = [names.get(c, c) for c in columns], len(columns), 0
    while True:
        lines.record.clear()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as e:
            # An open quote swallows what follows; only the line it stands in is lost.
            number += 1
            line = lines.give_back()
            text = lines.record[0].strip()[:200]
            yield Raw(number, {}, f"第 {line} 行不是合格的 CSV (line {line}: {e}): {text}")
            continue
        text = "".join(cells)
        if not text or text.isspace():
            continue
        number += 1
        problem = "" if text.isascii() and "\x00" not in text else _text_problem(text)
        if len(cells) > width and any(cells[width:]):
            problem = f"有 {len(cells)} 列，表头只有 {width} 列 (more cells than columns)"
        if problem:
            problem = f"第 {lines.number - len(lines.record) + 1} 行 (line): {problem}"
        yield Raw(number, dict(zip(keys, cells, strict=False)), problem)


def _text_problem(text: str) -> str:
    if "\x00" in text:
        return "含有空字符 (contains a NUL character)"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "含有无法识别的字节，请以 UTF-8 重新保存这一行 (undecodable bytes)"
    return ""


@contextmanager
def _jsonl(path: Path) -> Iterator[Table]:
    with path.open("rb") as f:
        columns = next((list(r.values) for r in islice(_jsonl_rows(f, {}), 1000) if not r.problem), [])
        f.seek(0)
        if not columns:
            raise Invalid(f"{path}: no JSON object at its beginning; JSONL has one object on each line")
        yield Table(columns, partial(_jsonl_rows, f), has_header=False)


def _jsonl_rows(file: BinaryIO, names: Mapping[str, str]) -> Iterator[Raw]:
    number = 0
    for at, line in enumerate(iter(partial(file.readline, MAX_LINE), b""), start=1):
        if line.isspace() or line == codecs.BOM_UTF8:
            continue
        number += 1
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield Raw(number, {}, f"第 {at} 行太长 (line {at} is longer than {MAX_LINE} bytes)")
            continue
        try:
            row = _object(line)
        except (ValueError, RecursionError) as e:
            text = line[:200].decode("utf-8", "replace").strip()
            yield Raw(number, {}, f"第 {at} 行不是合格的 JSON 对象 (line {at}: {e}): {text}")
            continue
        yield Raw(number, {names.get(k, k): v for k, v in row.items()})


def _object(line: bytes) -> dict[str, Any]:
    row = json.loads(line.removeprefix(codecs.BOM_UTF8).decode(), parse_constant=_refuse)
    if not isinstance(row, dict):
        raise ValueError("each line is one JSON object")
    # Escapes may spell what no database stores.
    if b"\\u" in line and (problem := _text_problem("".join(_texts(row)))):
        raise ValueError(problem)
    return row


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.items() if isinstance(value, dict) else value:
            yield from _texts(list(part) if isinstance(part, tuple) else part)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
