"""Counties to place records in, drawn in proportion to the residents of their prefecture."""

from __future__ import annotations

import csv
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_RESIDENTS_PER_SLOT = 2_000


@dataclass(frozen=True, slots=True)
class Counties:
    """Codes and names of counties, and an urn of indexes in which a populous county lies more often."""

    codes: tuple[str, ...]
    names: tuple[str, ...]
    urn: tuple[int, ...]


def read_counties(path: Path, residents: Mapping[str, int]) -> Counties:
    """Read the official counties of the prefectures in ``residents`` from a region table.

    ``residents`` maps the first four digits of a prefecture's code to its residents.
    A prefecture's residents are divided evenly among its counties: that division is synthetic.

    :raises ValueError: when a prefecture has no official county in the table.
    """
    with path.open(encoding="utf-8", newline="") as file:
        official = {row["code"]: row["name"] for row in csv.DictReader(file) if _is_official_county(row)}
    codes = tuple(sorted(code for code in official if code[:4] in residents))
    siblings = Counter(code[:4] for code in codes)
    missing = sorted(set(residents) - set(siblings))
    if missing:
        names = ", ".join(missing)
        raise ValueError(f"{path} has no official county under {names}; use a complete region table")
    urn = array("H")
    for index, code in enumerate(codes):
        share = residents[code[:4]] // siblings[code[:4]]
        urn.extend([index] * max(1, share // _RESIDENTS_PER_SLOT))
    return Counties(codes, tuple(official[code] for code in codes), tuple(urn))


def _is_official_county(row: Mapping[str, str]) -> bool:
    return row["level"] == "county" and row["kind"] == "official"
