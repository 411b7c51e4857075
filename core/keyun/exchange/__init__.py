"""Import of CSV, XLSX and JSONL with an error row for every bad row."""

from __future__ import annotations

from keyun.bulk import insert_many, known, known_rows, update_many
from keyun.exchange.importing import Report, run
from keyun.exchange.types import Importer, Row, RowError, Written

__all__ = [
    "Importer",
    "Report",
    "Row",
    "RowError",
    "Written",
    "insert_many",
    "known",
    "known_rows",
    "run",
    "update_many",
]
