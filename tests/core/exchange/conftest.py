"""Files as people have them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]
ORGANIZATION = {
    "external_id": "o-1", "name": "示范研究所", "kind": "institute", "uscc": "", "region": "511402",
    "summary": "",
}  # fmt: skip


def organizations(count: int, **more: Any) -> list[dict[str, Any]]:
    """Rows of an organizations file, all good."""
    return [
        ORGANIZATION | {"external_id": f"o-{i}", "name": f"示范单位{i}"} | more for i in range(1, count + 1)
    ]


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as f:
        return list(csv.DictReader(f))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], **how: Any) -> Path:
    """Write ``rows`` as CSV."""
    encoding = how.pop("encoding", "utf-8")
    with path.open("w", encoding=encoding, newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]), **how)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(rows)`` makes a CSV file, ``write(rows, "a.xlsx")`` or ``"a.jsonl"`` another kind."""

    def make(rows: Sequence[Mapping[str, Any]], name: str = "file.csv", **how: Any) -> Path:
        path = tmp_path / name
        if name.endswith(".jsonl"):
            path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
        elif name.endswith(".xlsx"):
            import openpyxl

            book = openpyxl.Workbook()
            sheet = book.worksheets[0]
            sheet.append(list(rows[0]))
            for row in rows:
                sheet.append(list(row.values()))
            book.save(path)
        else:
            write_csv(path, rows, **how)
        return path

    return make
