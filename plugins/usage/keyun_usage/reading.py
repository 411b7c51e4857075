"""Read records back: whole blocks from a place on, the words behind their numbers, and what is missing."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keyun_usage.layout import (
    END,
    HEADER,
    LOST,
    RECORD,
    RECORDS,
    REGISTERED,
    WORD,
    Header,
    header,
)

Array = npt.NDArray[Any]
DTYPE = np.dtype(
    [("at", "<u4"), ("region", "<u4"), ("item", "<u4"), ("person", "<u8"),
     ("channel", "u1"), ("agent", "u1"), ("subject", "u1"), ("flags", "u1")]
)  # fmt: skip
assert DTYPE.itemsize == RECORD.size


@dataclass(frozen=True, slots=True)
class Batch:
    """Records with the words that their numbers stand for. This is what a rule judges."""

    records: Array
    words: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def registered(self) -> Array:
        """Which records are of people with an account."""
        flags: Array = self.records["flags"] & REGISTERED
        return flags.astype(bool)

    def among(self, column: str, *texts: str) -> Array:
        """Where the word in ``column`` (channel, agent or subject) is one of ``texts``."""
        chosen = np.zeros(256, dtype=bool)
        chosen[[n for n, w in self.words.items() if w in texts]] = True
        found: Array = chosen[self.records[column]]
        return found

    def where(self, mask: Array) -> Batch:
        """The records that ``mask`` chooses."""
        return Batch(self.records[mask], self.words)


@dataclass(frozen=True, slots=True)
class Piece:
    """What was read of a file: from one place to ``offset``."""

    batch: Batch
    offset: int
    lost: int = 0
    #: Everything there will ever be has been read.
    complete: bool = False
    #: The last piece, of a process that did not end in order: up to a second of openings is missing.
    killed: bool = False


@dataclass(slots=True)
class _Seen:
    parts: list[Array] = field(default_factory=list)
    words: dict[int, str] = field(default_factory=lambda: {0: ""})
    count: int = 0
    lost: int = 0
    ended: bool = False


def is_orphan(path: Path) -> bool:
    """Whether no process holds the file open for writing any more."""
    with path.open("rb") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def read(path: Path, offset: int = 0, most: int = 2_000_000, until: int | None = None) -> Piece:
    """The records of a spool file after ``offset``, about ``most`` of them, none beyond byte ``until``.

    A torn tail is left alone while the file is being written, and counted as lost afterwards.
    """
    orphan = is_orphan(path)
    size = path.stat().st_size
    seen = _Seen()
    with path.open("rb") as f, contextlib.ExitStack() as stack:
        data: memoryview = memoryview(b"")
        if size:
            mapped = stack.enter_context(
                contextlib.closing(mmap.mmap(f.fileno(), size, access=mmap.ACCESS_READ))
            )
            data = stack.enter_context(memoryview(mapped))
        end, torn = _walk(data, offset, most, until, seen)
        records = np.concatenate(seen.parts) if seen.parts else np.zeros(0, DTYPE)
        seen.parts.clear()
    if torn is None:
        # After a power cut a file may be shorter than what was read of it before.
        complete = seen.ended or (orphan and end >= size)
        return Piece(Batch(records, seen.words), end, seen.lost, complete, complete and not seen.ended)
    if not orphan:
        return Piece(Batch(records, seen.words), end, seen.lost)
    return Piece(Batch(records, seen.words), size, seen.lost + torn, True, True)


def _walk(data: memoryview, offset: int, most: int, until: int | None, seen: _Seen) -> tuple[int, int | None]:
    """Where reading stopped, and how many records a torn tail held (None: there is no torn tail)."""
    at, size = 0, len(data)
    while at < size and seen.count < most and not seen.ended and (until is None or at < until):
        head = header(data[at : at + HEADER.size])
        if head is None:
            return at, max(1, (size - at) // RECORD.size)
        end = at + HEADER.size + head.length
        if end > size:
            return at, head.count if head.kind == RECORDS else 0
        # A word is read each time; only the first reading counts what is damaged.
        if not _take(head, data[at + HEADER.size : end], at >= offset, seen) and at >= offset:
            seen.lost += head.count if head.kind == RECORDS else 1
        at = end
    return max(at, offset), None


def _take(head: Header, payload: memoryview, wanted: bool, seen: _Seen) -> bool:
    """Take in one block; False when its checksum says that it is damaged."""
    if head.kind != WORD and not wanted:
        return True
    if zlib.crc32(payload) != head.checksum:
        return False
    if head.kind == RECORDS and head.size == RECORD.size:
        seen.parts.append(np.frombuffer(payload, DTYPE).copy())
        seen.count += head.count
    elif head.kind == WORD:
        number, _, text = bytes(payload).decode("utf-8", "replace").partition(" ")
        seen.words[int(number)] = text
    elif head.kind == LOST:
        seen.lost += head.count
    elif head.kind == END:
        seen.ended = True
    return True


def pieces(path: Path, until: int | None = None, most: int = 2_000_000) -> Iterator[Piece]:
    """A whole file, piece by piece, up to byte ``until``."""
    offset = 0
    while True:
        piece = read(path, offset, most, until)
        if piece.offset == offset:
            return
        yield piece
        offset = piece.offset
