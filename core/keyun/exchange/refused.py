"""The file of refused rows: made to be corrected in a spreadsheet and imported again."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from keyun.errors import Invalid
from keyun.exchange.columns import REASONS, ROW
from keyun.exchange.types import RowError

#: Characters that make a spreadsheet take a cell for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
BOM = "\ufeff"


class RefusedFile:
    """Refused rows as CSV: number, reasons, then the ``columns`` of the original; no rows, no file.

    ``names`` are the columns that rows call by another name.
    """

    def __init__(self, path: Path, columns: Sequence[str], names: Mapping[str, str]) -> None:
        self.path = path
        self._columns = [c for c in columns if c not in (ROW, REASONS)]
        self._keys = [names.get(c, c) for c in self._columns]
        self._file: TextIO | None = None
        self._writer: Any = None

    def __enter__(self) -> RefusedFile:
        """Remove the file of an earlier run.

        :raises Invalid: when another kind of file has this name.
        """
        if self.path.exists():
            with self.path.open("rb") as f:
                line = f.readline(100).decode("utf-8-sig", "replace")
                if line and not line.startswith(f"{ROW},{REASONS}"):
                    raise Invalid(f"{self.path} exists and holds something else; name another with --errors")
            self.path.unlink()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, error: RowError) -> None:
        """Write one refused row."""
        if self._file is None:
            # The rows may hold personal data: only this account reads them.
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            # With a mark in front spreadsheets read it as UTF-8.
            self._file = os.fdopen(handle, "w", encoding="utf-8-sig", errors="replace", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow([ROW, REASONS, *self._columns])
        cells = [harmless(error.row.get(k)) for k in self._keys]
        self._writer.writerow([error.number, harmless(error.reasons), *cells])


def harmless(value: Any) -> str:
    """``value`` as a cell that no spreadsheet takes for a formula; :func:`original` takes it back."""
    if isinstance(value, list):
        value = "；".join(str(v) for v in value)
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.lstrip("'").startswith(FORMULA) else text


def original(text: Any) -> Any:
    """What :func:`harmless` made ``text`` from; anything else comes back as it is."""
    guarded = isinstance(text, str) and text.startswith("'") and text.lstrip("'").startswith(FORMULA)
    return text[1:] if guarded else text
