"""``run/server.json``: what the running server says about itself to every other process."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

FOLDER = "run"
FILE = "server.json"
NUDGE = "nudge"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that was not taken: every reason, and those that belong to a plugin by its name."""

    generation: int
    reasons: tuple[str, ...]
    at: str
    plugins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """Who serves this instance: the supervisor's process, its plugins, its processes by their kind."""

    pid: int
    generation: int = 0
    plugins: tuple[str, ...] = ()
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    processes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    refused: Refusal | None = None


def path_of(instance: Path) -> Path:
    """Where the record lies."""
    return instance / FOLDER / FILE


def write(instance: Path, record: ServerRecord) -> None:
    """Write the record in one step; readers see the old one or the new one."""
    path = path_of(instance)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=".server-")
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        json.dump(asdict(record), f, ensure_ascii=False, indent=2)
    os.replace(temporary, path)


def read(instance: Path) -> ServerRecord | None:
    """The record of the server that runs now; None when none runs on this machine."""
    path = path_of(instance)
    try:
        found = _record(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, PermissionError):
        return None
    # A loss of power may leave an empty file behind; the next start writes a new one.
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        log.warning("%s cannot be read (%s); it counts as none", path, e)
        return None
    # A killed supervisor leaves its record behind.
    return found if is_alive(found.pid) else None


def _record(data: Mapping[str, Any]) -> ServerRecord:
    # Written by the server's version of this code, which may be older than this one.
    refused = data.get("refused")
    return ServerRecord(
        pid=int(data["pid"]),
        generation=data.get("generation", 0),
        plugins=tuple(data.get("plugins", ())),
        faults=_tuples(data.get("faults", {})),
        processes=_tuples(data.get("processes", {})),
        refused=refused and _refusal(refused),
    )


def _refusal(data: Mapping[str, Any]) -> Refusal:
    plugins = _tuples(data.get("plugins", {}))
    return Refusal(data["generation"], tuple(data["reasons"]), data["at"], plugins)


def _tuples(data: Mapping[str, Iterable[T]]) -> dict[str, tuple[T, ...]]:
    return {key: tuple(values) for key, values in data.items()}


def remove(instance: Path) -> None:
    """Take the record of this process away; that of another server of this instance stays."""
    found = read(instance)
    if found is None or found.pid == os.getpid():
        path_of(instance).unlink(missing_ok=True)


def nudge(instance: Path) -> None:
    """Ask the server, if one runs, to look again, though neither the set nor the code has changed."""
    if read(instance) is not None:
        (instance / FOLDER / NUDGE).touch()


def nudged(instance: Path) -> int:
    """A number that changes with every nudge."""
    try:
        return (instance / FOLDER / NUDGE).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
