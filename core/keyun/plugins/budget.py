"""How long hooks take, and which are left out because they took too long too often.

A hook that is asked for every page is measured and never interrupted. Three breaches of its budget
within an hour suspend it for every process, until an operator lifts that: ``instance/run/suspended.json``
says so, and each process notices by looking at the file's status.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
#: Hooks whose answer a page can do without. Screening, log-in and events are measured, never left out.
SKIPPABLE = frozenset({"keyun_menu", "keyun_fragment"})
BREACHES = 3
WINDOW = dt.timedelta(hours=1)
#: What an answer of a hook costs when nothing is said in ``[plugins] hook_budget_ms``.
DEFAULT_MS = 300
Key = tuple[str, str]


@dataclass(slots=True)
class Timing:
    """What one hook of one plugin took in this process, in milliseconds."""

    calls: int = 0
    total: float = 0.0
    worst: float = 0.0
    last: float = 0.0


@dataclass(frozen=True, slots=True)
class Slow:
    """A hook that broke its budget: when, how badly, and whether it is left out now."""

    plugin: str
    hook: str
    at: tuple[dt.datetime, ...]
    worst_ms: int
    suspended: bool

    def says(self) -> str:
        """The same as a sentence with its repair."""
        if not self.suspended:
            return f"{self.plugin}: {self.hook} was too slow {len(self.at)} time(s), up to {self.worst_ms} ms"
        return (
            f"{self.plugin}: {self.hook} is left out, it took up to {self.worst_ms} ms; "
            f"when that is repaired run `keyun plugins clear {self.plugin}`"
        )


@dataclass(slots=True)
class Watch:
    """One measured call; ``inside`` are milliseconds that somebody else spent within it."""

    inside: float = 0.0


@dataclass(slots=True)
class Budget:
    """The time of hooks in one process, and the file that all processes share."""

    limit_ms: float = DEFAULT_MS
    #: None keeps everything in this process.
    path: Path | None = None
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    #: Seconds on any scale.
    timer: Callable[[], float] = time.perf_counter
    timings: dict[Key, Timing] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stamp: tuple[int, int, int] | None = None
    _known: tuple[Slow, ...] = ()

    @contextlib.contextmanager
    def measured(self, plugin: str, hook: str) -> Iterator[Watch]:
        """Measure the block as one call of ``hook``; the first one of a process may warm up."""
        timing = self._timing(plugin, hook)
        judged = timing.calls > 0
        watch, start = Watch(), self.timer()
        try:
            yield watch
        finally:
            took = (self.timer() - start) * 1000 - watch.inside
            with self._lock:
                timing.calls += 1
                timing.total += took
                timing.worst = max(timing.worst, took)
                timing.last = took
            if judged and took > self.limit_ms:
                self._breach(plugin, hook, took)

    @contextlib.contextmanager
    def elsewhere(self, watch: Watch) -> Iterator[None]:
        """The block runs inside a measured call and is not its fault."""
        start = self.timer()
        try:
            yield
        finally:
            watch.inside += (self.timer() - start) * 1000

    def left_out(self, hook: str) -> frozenset[str]:
        """The plugins whose ``hook`` is suspended."""
        if hook not in SKIPPABLE:
            return frozenset()
        return frozenset(s.plugin for s in self.slow() if s.suspended and s.hook == hook)

    def suspended(self) -> dict[str, list[str]]:
        """The suspended hooks by plugin."""
        found: dict[str, list[str]] = {}
        for s in self.slow():
            if s.suspended:
                found.setdefault(s.plugin, []).append(s.hook)
        return found

    def slow(self) -> tuple[Slow, ...]:
        """Every hook that broke its budget lately or is suspended, as all processes know it."""
        if self.path is None:
            return self._known
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self._stamp, self._known = None, ()
            return ()
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp != self._stamp:
            self._known = _read(self.path)
            self._stamp = stamp
        return self._known

    def clear(self, plugin: str) -> list[str]:
        """Forget every breach of ``plugin``, in all processes; returns the hooks that were suspended."""
        with self._changing() as known:
            freed = [s.hook for s in known if s.plugin == plugin and s.suspended]
            if any(s.plugin == plugin for s in known):
                self._write([s for s in known if s.plugin != plugin])
        return freed

    def _timing(self, plugin: str, hook: str) -> Timing:
        with self._lock:
            return self.timings.setdefault((plugin, hook), Timing())

    def _breach(self, plugin: str, hook: str, took: float) -> None:
        log.warning("plugin %s took %.0f ms in %s; %.0f are allowed", plugin, took, hook, self.limit_ms)
        if hook not in SKIPPABLE:
            return
        try:
            self._count(plugin, hook, took)
        except OSError:
            # A full disk is no reason to refuse the page that was slow.
            log.exception("%s cannot be written; the breach does not count", self.path)

    def _count(self, plugin: str, hook: str, took: float) -> None:
        now = self.clock()
        with self._changing() as known:
            old = next((s for s in known if (s.plugin, s.hook) == (plugin, hook)), None)
            before = old.at if old else ()
            at = (*(t for t in before if now - t < WINDOW), now)
            worst = max(round(took), old.worst_ms if old else 0)
            suspended = len(at) >= BREACHES or bool(old and old.suspended)
            new = Slow(plugin, hook, at[-BREACHES:], worst, suspended)
            self._write([*(s for s in known if s is not old), new])
        if suspended and not (old and old.suspended):
            log.error("%s of plugin %s is left out from now on; run `keyun plugins clear %s`",
                      hook, plugin, plugin)  # fmt: skip

    @contextlib.contextmanager
    def _changing(self) -> Iterator[tuple[Slow, ...]]:
        """What is known, held against every other process and thread."""
        with self._lock:
            if self.path is None:
                yield self._known
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path.with_suffix(".lock"), "w", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield self.slow()

    def _write(self, slow: list[Slow]) -> None:
        if self.path is None:
            self._known = tuple(slow)
            return
        rows = [
            {"plugin": s.plugin, "hook": s.hook, "at": [t.isoformat() for t in s.at],
             "worst_ms": s.worst_ms, "suspended": s.suspended}
            for s in slow
        ]  # fmt: skip
        fd, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".suspended-")
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1)
        os.replace(temporary, self.path)


def _read(path: Path) -> tuple[Slow, ...]:
    """What the file says; a damaged one suspends nothing, and is written anew at the next breach."""
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_slow(row) for row in rows)
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        log.exception("%s cannot be read; no hook is left out", path)
        return ()


def _slow(row: Mapping[str, Any]) -> Slow:
    at = tuple(dt.datetime.fromisoformat(t) for t in row["at"])
    return Slow(str(row["plugin"]), str(row["hook"]), at, int(row["worst_ms"]), bool(row["suspended"]))
