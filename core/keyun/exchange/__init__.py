"""Import of CSV, XLSX and JSONL with an error row for every bad row."""

from __future__ import annotations

from keyun.exchange.readers import read
from keyun.exchange.run import Report, run
from keyun.exchange.types import Importer, Row, RowError, Written

__all__ = ["Importer", "Report", "Row", "RowError", "Written", "read", "run"]
