"""The frozen audience: a set of user ids as rows of 4,096 bits each."""

from __future__ import annotations

import array
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from pyroaring import BitMap

from keyun.db import Session, is_sqlite
from keyun_notices.publishing.models import CHUNK, Addressed, Notice

SHIFT = CHUNK.bit_length() - 1
BYTES = CHUNK // 8
#: How many bits of an id lie inside one window of :func:`pack`.
WINDOW = 24
TABLE = cast("sa.Table", Addressed.__table__)
HEX = "0123456789ABCDEF"


def pack(people: BitMap) -> tuple[list[int], bytes]:
    """The chunks that ``people`` lie in, ascending, and their bits one after another.

    ``to_array`` hands the ids over as one block of memory; a list of Python integers costs ten times more.
    """
    ids = np.frombuffer(people.to_array(), dtype=np.uint32)
    # Windows bound the memory when ids lie far apart. Limits of another type would make numpy copy the ids.
    limits = np.arange(1, 1 << 32 - WINDOW, dtype=np.uint32) << np.uint32(WINDOW)
    ends = [*np.searchsorted(ids, limits).tolist(), len(ids)]
    parts = [_dense(ids[start:end]) for start, end in pairwise([0, *ends]) if end > start]
    chunks = [c for numbers, _ in parts for c in numbers]
    return chunks, b"".join(bits for _, bits in parts)


def _dense(ids: np.ndarray[Any, np.dtype[np.uint32]]) -> tuple[list[int], bytes]:
    first, last = int(ids[0]) >> SHIFT, int(ids[-1]) >> SHIFT
    flags = np.zeros((last - first + 1) * CHUNK, dtype=np.uint8)
    flags[ids - np.uint32(first << SHIFT) if first else ids] = 1
    rows = np.packbits(flags, bitorder="little").reshape(-1, BYTES)
    some = rows.any(axis=1)
    return (np.flatnonzero(some) + first).tolist(), rows[some].tobytes()


def unpack(chunks: Iterable[int], bits: bytes) -> BitMap:
    """The set that :func:`pack` made ``chunks`` and ``bits`` of."""
    places = np.flatnonzero(np.unpackbits(np.frombuffer(bits, dtype=np.uint8), bitorder="little"))
    base = np.fromiter(chunks, dtype=np.int64) << SHIFT
    ids = array.array("I")
    ids.frombytes((base[places >> SHIFT] + (places & (CHUNK - 1))).astype(np.uint32).tobytes())
    return BitMap(ids)


def seal(chunks: Iterable[int], bits: bytes) -> str:
    """SHA-256 over a set as it is stored: proves later that nobody was added or left out."""
    found = hashlib.sha256(np.fromiter(chunks, dtype=np.uint32).astype("<u4").tobytes())
    found.update(bits)
    return found.hexdigest()


def as_rows(notice_id: int, chunks: Sequence[int], bits: bytes) -> list[dict[str, Any]]:
    """What :func:`pack` gives as rows of a table of bits."""
    return [
        {"chunk": c, "notice_id": notice_id, "bits": bits[i * BYTES : (i + 1) * BYTES]}
        for i, c in enumerate(chunks)
    ]


def freeze(session: Session, notice_id: int, people: BitMap) -> str:
    """Write ``people`` as the audience of a notice that has none; returns the seal."""
    chunks, bits = pack(people)
    if chunks:
        session.connection().execute(sa.insert(TABLE), as_rows(notice_id, chunks, bits))
    return seal(chunks, bits)


def thaw(session: Session, notice_ids: Iterable[int]) -> BitMap:
    """Everybody who stands in the audience of one of the notices, but for those erased since."""
    whole = BitMap()
    for notice_id in notice_ids:
        chunks, bits = stored(session, notice_id)
        whole |= unpack(chunks, bits)
    return whole


def stored(session: Session, notice_id: int) -> tuple[list[int], bytes]:
    """The rows of one notice as :func:`pack` gives them."""
    query = sa.select(TABLE.c.chunk, TABLE.c.bits).where(TABLE.c.notice_id == notice_id)
    rows = session.connection().execute(query.order_by(TABLE.c.chunk)).all()
    return [r[0] for r in rows], b"".join(r[1] for r in rows)


def drop(session: Session, notice_id: int) -> None:
    """Take the whole set of a notice away, to write it anew."""
    session.connection().execute(sa.delete(TABLE).where(TABLE.c.notice_id == notice_id))


def bit(sqlite: bool, bits: Any, at: Mapping[str, Any] | None = None) -> sa.ColumnElement[bool]:
    """The condition that ``bits`` of a user's chunk has his bit set.

    ``at`` is what :func:`place` says of him; without it the statement is given that when it is executed.
    """

    def value(name: str, kind: Any) -> Any:
        return sa.bindparam(name, type_=kind) if at is None else sa.literal(at[name], kind)

    if not sqlite:
        found: sa.ColumnElement[bool] = sa.func.get_bit(bits, value("bit", sa.BigInteger)) == sa.text("1")
        return found
    # SQLite has no bits in blobs, but the hexadecimal digit that holds the bit is one of eight.
    # Where there is no row, hex() answers with an empty text, which instr() finds everywhere.
    byte = sa.func.hex(sa.func.substr(bits, value("byte", sa.Integer), 1))
    digit = sa.func.substr(byte, value("half", sa.Integer), 1)
    return sa.and_(bits.is_not(None), sa.func.instr(value("digits", sa.String), digit) > sa.text("0"))


def place(sqlite: bool, user_id: int) -> dict[str, int | str]:
    """Where the bit of a user lies in the row of his chunk, as :func:`bit` asks for it."""
    low = user_id & (CHUNK - 1)
    if not sqlite:
        return {"bit": low}
    digits = "".join(d for n, d in enumerate(HEX) if n >> (low & 3) & 1)
    return {"byte": (low >> 3) + 1, "half": 1 if low & 4 else 2, "digits": digits}


def holds(session: Session, bits: Any, user_id: int) -> sa.ColumnElement[bool]:
    """The condition that the column ``bits`` of the user's chunk has his bit set."""
    sqlite = is_sqlite(session)
    return bit(sqlite, bits, place(sqlite, user_id))


def at(user_id: int) -> sa.ColumnElement[bool]:
    """The condition for rows of the chunk that holds the user."""
    return Addressed.chunk == user_id >> SHIFT


def forget(session: Session, user_id: int) -> int:
    """Clear the bit of a person in every audience and count him as erased; returns in how many he stood."""
    # Named, so that the rows of each are found by the key and not by reading all of them.
    known = TABLE.c.notice_id.in_(sa.select(Notice.id))
    query = sa.select(TABLE.c.notice_id, TABLE.c.bits).where(
        known, TABLE.c.chunk == user_id >> SHIFT, holds(session, TABLE.c.bits, user_id)
    )
    rows = session.connection().execute(query).all()
    if not rows:
        return 0
    byte, bit = divmod(user_id & (CHUNK - 1), 8)
    change = (
        sa.update(TABLE)
        .where(TABLE.c.chunk == user_id >> SHIFT, TABLE.c.notice_id == sa.bindparam("notice"))
        .values(bits=sa.bindparam("left"))
    )
    session.connection().execute(
        change, [{"notice": n, "left": _without(bits, byte, bit)} for n, bits in rows]
    )
    mine = [n for n, _ in rows]
    for begin in range(0, len(mine), 1000):
        part = Notice.id.in_(mine[begin : begin + 1000])
        session.execute(sa.update(Notice).where(part).values(erased=Notice.erased + 1))
    return len(mine)


def _without(bits: bytes, byte: int, bit: int) -> bytes:
    left = bytearray(bits)
    left[byte] &= 0xFF ^ (1 << bit)
    return bytes(left)
