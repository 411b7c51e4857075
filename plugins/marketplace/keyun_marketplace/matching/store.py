"""Index files: a new folder for each build, then one atomic pointer; opened mapped and read-only."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keyun_marketplace.matching.segment import COLUMNS, Array, Segment

FORMAT = 2
POINTER = "current"
MANIFEST = "manifest.json"
REBUILD = "run `keyun marketplace index rebuild`"


class IndexMissing(Exception):
    """There is no index, or its files are damaged; the text names the command that makes it anew."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An opened index: its segment, where it lies, and what its builder noted."""

    name: str
    segment: Segment
    note: dict[str, Any]


def write(folder: Path, segment: Segment, note: dict[str, Any]) -> str:
    """Store ``segment`` with a ``note`` and make it current; a crash leaves the old one current."""
    folder.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex[:12]
    place = folder / name
    place.mkdir()
    for column, _ in COLUMNS:
        with open(place / f"{column}.npy", "wb") as f:
            np.save(f, getattr(segment, column))
            f.flush()
            os.fsync(f.fileno())
    manifest = {
        "format": FORMAT,
        "total": segment.total,
        "average": segment.average,
        "disciplines": segment.discipline_names,
        "lengths": {c: len(getattr(segment, c)) for c, _ in COLUMNS},
        "note": note,
    }
    _write_text(place / MANIFEST, json.dumps(manifest, ensure_ascii=False))
    _write_text(folder / POINTER, name)
    _sweep(folder, name)
    return name


def current(folder: Path) -> str | None:
    """The name of the current build; a cheap question for every request."""
    try:
        return (folder / POINTER).read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def read(folder: Path) -> Stored:
    """Map the current index.

    :raises IndexMissing: when there is none or its files do not belong together.
    """
    name = current(folder)
    if name is None:
        raise IndexMissing(f"{folder}: there is no match index yet; {REBUILD}")
    place = folder / name
    try:
        manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise IndexMissing(
                f"{place}: format {manifest['format']}, this version reads {FORMAT}; {REBUILD}"
            )
        columns = {c: _map(place / f"{c}.npy", kind, manifest["lengths"][c]) for c, kind in COLUMNS}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise IndexMissing(f"{place}: damaged match index ({e}); {REBUILD}") from e
    segment = Segment(
        **columns,
        discipline_names=tuple(manifest["disciplines"]),
        total=manifest["total"],
        average=manifest["average"],
    )
    return Stored(name, segment, manifest["note"])


def _map(path: Path, kind: str, length: int) -> Array:
    # A plain view: compiled code knows arrays, not memory maps.
    found: Array = np.load(path, mmap_mode="r" if length else None).view(np.ndarray)
    if found.dtype != np.dtype(kind) or found.shape != (length,):
        raise ValueError(f"{path.name} has {found.dtype} {found.shape}, expected {kind} ({length},)")
    found.setflags(write=False)
    return found


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    with open(temporary, "w", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)


def _sweep(folder: Path, keep: str) -> None:
    """Remove older builds; processes that have one mapped keep their pages until they let go."""
    builds = sorted(
        (p for p in folder.iterdir() if p.is_dir() and p.name != keep), key=lambda p: p.stat().st_mtime
    )
    # The build before this one stays: a process may be between reading the pointer and mapping the files.
    for old in builds[:-1]:
        shutil.rmtree(old, ignore_errors=True)
