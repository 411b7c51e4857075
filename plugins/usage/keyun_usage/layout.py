"""How a record lies in a file: fixed size, in blocks that say how long they are and prove it.

A file is a row of blocks. Each begins with a header of 20 bytes: mark, kind, size of a record, count,
checksum of what follows, checksum of the header itself. So a tail that a kill or a full disk tore off is
seen and counted as lost; it is never read as something else.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MARK = b"KYU1"
HEADER = struct.Struct("<4sBBHIII")
#: moment (seconds, UTC), region, item, person, then words: channel, agent, subject; flags.
RECORD = struct.Struct("<IIIQBBBB")
#: Kinds of block: who writes, a word and its number, records, how many could not be written, the orderly end.
START, WORD, RECORDS, LOST, END = 1, 2, 3, 4, 5
#: Flags of a record: the person is an account; the person asked to be forgotten.
REGISTERED, FORGOTTEN = 1, 8
#: How the region is known, as two bits of the flags.
LOCATED = {"": 0, "account": 2, "chosen": 4, "item": 6}
MOST_WORDS = 255
#: A word that came when all numbers were taken.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Header:
    """What a block says about itself."""

    kind: int
    size: int
    count: int
    checksum: int

    @property
    def length(self) -> int:
        """The bytes that follow the header."""
        return {RECORDS: self.count * self.size, START: self.count, WORD: self.count}.get(self.kind, 0)


def block(kind: int, payload: bytes | bytearray = b"", count: int | None = None, size: int = 1) -> bytes:
    """One block ready to be appended; ``count`` is the length of ``payload`` unless given."""
    number = len(payload) if count is None else count
    head = struct.pack("<4sBBHII", MARK, kind, size, 0, number, zlib.crc32(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def header(data: bytes | memoryview) -> Header | None:
    """The header that ``data`` begins with; None when it is torn or damaged."""
    if len(data) < HEADER.size:
        return None
    mark, kind, size, _, count, checksum, own = HEADER.unpack(data[: HEADER.size])
    if mark != MARK or own != zlib.crc32(data[: HEADER.size - 4]):
        return None
    return Header(kind, size, count, checksum)
