"""Sets of small numbers as rows of 4,096 bits; the way a notice remembers whom it was addressed to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from pyroaring import BitMap

from keyun.db import Model, Session
from keyun_notices.publishing.frozen import SHIFT, as_rows, pack

SIZE = 1 << SHIFT

__all__ = ["SHIFT", "clear", "count", "holds", "keep", "read"]


def keep(session: Session, model: type[Model], notice_id: int, ids: Sequence[int]) -> int:
    """Write ``ids``, each once, as rows of ``model`` for a notice; returns how many there are."""
    chunks, packed = pack(BitMap(ids))
    if chunks:
        session.execute(sa.insert(model), as_rows(notice_id, chunks, packed))
    return len(ids)


def read(session: Session, model: Any, notice_id: int, after: int = 0) -> Iterator[int]:
    """The numbers kept for a notice that follow ``after``, ascending, a row at a time."""
    query = (
        sa.select(model.chunk, model.bits)
        .where(model.notice_id == notice_id, model.chunk >= after >> SHIFT)
        .order_by(model.chunk)
    )
    for chunk, bits in session.execute(query).all():
        flags = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), bitorder="little")
        found = (np.flatnonzero(flags) + (chunk << SHIFT)).tolist()
        yield from (n for n in found if n > after)


def holds(session: Session, model: Any, notice_id: int, number: int) -> bool:
    """Whether ``number`` is among those kept for a notice."""
    bits = session.scalar(
        sa.select(model.bits).where(model.notice_id == notice_id, model.chunk == number >> SHIFT)
    )
    place = number & (SIZE - 1)
    return bits is not None and bool(bits[place >> 3] >> (place & 7) & 1)


def count(session: Session, model: Any, notice_id: int) -> int:
    """How many numbers are kept for a notice."""
    rows = session.scalars(sa.select(model.bits).where(model.notice_id == notice_id))
    return sum(int.from_bytes(bits, "little").bit_count() for bits in rows)


def clear(session: Session, model: Any, number: int) -> list[int]:
    """Take ``number`` out of every set; returns the notices it stood in."""
    chunk, place = number >> SHIFT, number & (SIZE - 1)
    rows = session.execute(
        sa.select(model.notice_id, model.bits).where(model.chunk == chunk).with_for_update()
    ).all()
    found = []
    for notice_id, bits in rows:
        if bits[place >> 3] >> (place & 7) & 1:
            left = bytearray(bits)
            left[place >> 3] &= ~(1 << (place & 7)) & 0xFF
            here = (model.notice_id == notice_id, model.chunk == chunk)
            session.execute(sa.update(model).where(*here).values(bits=bytes(left)))
            found.append(notice_id)
    return found
