"""What requests append to: one file for each process, below ``usage/spool`` of the instance.

A request packs 24 bytes into memory. A thread hands them to the file every second, so a process that is
killed (kill -9) loses at most one second of openings, and the fold says which file ended that way. The
file is opened at the first use and locked while its process lives; after a fork the child begins its own.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import logging
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from keyun_usage.layout import END, LOST, MOST_WORDS, OTHER, RECORD, RECORDS, START, WORD, block

log = logging.getLogger(__name__)
SUFFIX = ".spool"
FLUSH_SECONDS = 1.0
ROTATE_SECONDS = 3600.0
ROTATE_BYTES = 64 * 1024 * 1024
#: What is kept in memory while the disk takes nothing; more is counted as lost.
MOST_HELD = 200_000


class Spool:
    """The writing end in one process; any number of threads may use it."""

    def __init__(
        self, folder: Path, clock: Callable[[], dt.datetime], *, every: float = FLUSH_SECONDS
    ) -> None:
        self.folder, self._clock, self._every = folder, clock, every
        self._descriptor: int | None = None
        self._begin()
        me = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _begin_anew(me))

    def _begin(self) -> None:
        """Start with nothing; in a child process, what the parent holds is the parent's."""
        if self._descriptor is not None:
            # The parent's lock stays: it belongs to the file as the parent opened it.
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = None
        self._held, self._lost = bytearray(), 0
        self._words: dict[str, int] = {}
        self._new_words: list[str] = []
        self._lock, self._file_lock = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._size, self._opened, self._broken = 0, 0.0, False

    def note(
        self, at: int, region: int, item: int, person: int, words: tuple[str, str, str], flags: int
    ) -> None:
        """Keep one record: ``words`` are channel, agent and subject. Never waits for the disk."""
        with self._lock:
            if len(self._held) >= MOST_HELD * RECORD.size:
                self._lost += 1
                return
            numbers = [self._words.get(w) or self._new_word(w) for w in words]
            self._held += RECORD.pack(at, region, item, person, *numbers, flags)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="usage-spool", daemon=True)
                self._thread.start()

    def _new_word(self, text: str) -> int:
        """A number for a word that this process has not used yet; the last one is for all that do not fit."""
        text = text[:60]
        if text not in self._words:
            if len(self._words) >= MOST_WORDS - 1:
                text = OTHER
            if text not in self._words:
                self._words[text] = len(self._words) + 1
                self._new_words.append(text)
        return self._words[text]

    def _run(self) -> None:
        stop = self._stop
        while not stop.wait(self._every):
            self.flush()

    def flush(self) -> None:
        """Hand everything to the file; when the disk refuses, it is kept and tried again."""
        with self._file_lock:
            with self._lock:
                held, lost, words = self._held, self._lost, self._new_words
                self._held, self._lost, self._new_words = bytearray(), 0, []
            if held or lost:
                try:
                    self._write(held, lost, words)
                    self._broken = False
                except OSError as e:
                    self._keep(held, lost, words, e)
            if self._descriptor is not None and self._is_due():
                self._end()

    def close(self) -> None:
        """Write what is left and say that the file ends in order."""
        self._stop.set()
        self.flush()
        with self._file_lock:
            self._end()
        self._thread, self._stop = None, threading.Event()

    def _write(self, held: bytearray, lost: int, words: list[str]) -> None:
        if self._descriptor is None:
            self._open()
            words = []  # The beginning of the file names all of them.
        data = b"".join(block(WORD, f"{self._words[w]} {w}".encode()) for w in words)
        if lost:
            data += block(LOST, count=lost)
        if held:
            data += block(RECORDS, held, len(held) // RECORD.size, RECORD.size)
        self._append(data)

    def _append(self, data: bytes) -> None:
        """Append ``data`` whole, or leave the file as it was."""
        assert self._descriptor is not None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            try:
                os.ftruncate(self._descriptor, self._size)
            except OSError:
                # Its torn tail is counted when it is read; the next record begins a new file.
                os.close(self._descriptor)
                self._descriptor = None
            raise
        self._size += len(data)

    def _keep(self, held: bytearray, lost: int, words: list[str], error: OSError) -> None:
        with self._lock:
            self._held = held + self._held
            self._lost += lost
            self._new_words = words + self._new_words
        if not self._broken:
            self._broken = True
            log.error("%s cannot be written (%s); openings are kept in memory as long as it has room",
                      self.folder, error)  # fmt: skip

    def _open(self) -> None:
        """Begin a file; it gets its name only when it is locked, so nobody takes it for an orphan."""
        self.folder.mkdir(parents=True, exist_ok=True)
        now = self._clock()
        name = f"{now:%Y%m%dT%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}"
        path = self.folder / f".{name}.new"
        self._descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640
        )
        self._size, self._opened = 0, time.monotonic()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self._lock:
                words = dict(self._words)
            start = json.dumps({"process": os.getpid(), "since": now.isoformat()}).encode()
            self._append(
                block(START, start) + b"".join(block(WORD, f"{n} {w}".encode()) for w, n in words.items())
            )
            path.rename(self.folder / (name + SUFFIX))
        except OSError:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            path.unlink(missing_ok=True)
            raise

    def _is_due(self) -> bool:
        return self._size >= ROTATE_BYTES or time.monotonic() - self._opened >= ROTATE_SECONDS

    def _end(self) -> None:
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            self._append(block(END))
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _begin_anew(reference: weakref.ref[Spool]) -> None:
    spool = reference()
    if spool is not None:
        spool._begin()
