"""Import of CSV, XLSX and JSONL with an error row for every bad row, and export of the same columns."""

from __future__ import annotations

from keyun.bulk import insert_many, known, known_ids, known_rows, update_many
from keyun.exchange.exporting import write
from keyun.exchange.importing import Report, run
from keyun.exchange.types import Exporter, Importer, Row, RowError, Written

__all__ = [
    "Exporter",
    "Importer",
    "Report",
    "Row",
    "RowError",
    "Written",
    "insert_many",
    "known",
    "known_ids",
    "known_rows",
    "run",
    "update_many",
    "write",
]
