"""How every benchmark reports: a table for people, or JSON for programs."""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; ``ratio`` compares it with the ``peer`` measured in the same run (peer ÷ ours)."""

    what: str
    value: float
    unit: str
    peer: str = ""
    ratio: float | None = None


def parser(description: str) -> argparse.ArgumentParser:
    """The options every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def report(name: str, rows: Sequence[Row], as_json: bool) -> None:
    """Print ``rows`` with the load average of this moment."""
    load = round(os.getloadavg()[0], 2)
    if as_json:
        print(json.dumps({"name": name, "load": load, "rows": [asdict(r) for r in rows]}, ensure_ascii=False))
        return
    print(f"{name} (load {load})")
    for r in rows:
        ratio = (
            f"  {r.ratio:,.1f} x against {r.peer}" if r.ratio is not None else f"  {r.peer}" if r.peer else ""
        )
        print(f"  {r.what:<58} {r.value:>14,.3f} {r.unit:<8}{ratio}")


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def peak_megabytes() -> float:
    """The peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def private_megabytes() -> float:
    """The memory that belongs to this process alone now."""
    total = 0
    with open("/proc/self/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Private_"):
                total += int(line.split()[1])
    return total / 1024
