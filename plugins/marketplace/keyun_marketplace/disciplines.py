"""The fields of science and technology that forms suggest. Keyun's own list, not a national standard."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Discipline:
    """One field; its Chinese name is the value that is stored."""

    name: str
    name_en: str


def disciplines(path: str = "") -> tuple[Discipline, ...]:
    """Read the list: the bundled one, or the CSV ``name,name_en`` of an association at ``path``."""
    text = (
        Path(path).read_text(encoding="utf-8-sig")
        if path
        else (files("keyun_marketplace") / "data" / "disciplines.csv").read_text(encoding="utf-8")
    )
    return tuple(Discipline(r["name"], r["name_en"]) for r in csv.DictReader(text.splitlines()))
