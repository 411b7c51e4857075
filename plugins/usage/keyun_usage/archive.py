"""Raw records by day, packed and compressed: what a new rule can count again.

``usage/raw/2026-11-24/<file they came from>.kyr``. A file is written whole under another name and then
renamed, so writing it twice gives the same file once.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keyun.errors import KeyunError
from keyun_usage.layout import FORGOTTEN
from keyun_usage.reading import DTYPE, Array, Batch

log = logging.getLogger(__name__)
HEAD = struct.Struct("<4sIIIQ")
MARK = b"KYR1"
SUFFIX = ".kyr"
LEVEL = 1


class Damaged(KeyunError):
    """A raw file whose checksum does not fit; the text names it."""


def write(folder: Path, day: dt.date, name: str, batch: Batch) -> Path:
    """Keep ``batch``, all of it of ``day``, as what came from the file ``name``."""
    place = folder / day.isoformat()
    place.mkdir(parents=True, exist_ok=True)
    path = place / (name + SUFFIX)
    write_file(path, batch)
    return path


def write_file(path: Path, batch: Batch) -> None:
    """Write ``batch`` to ``path`` whole, or not at all."""
    # Neighbours that are alike compress; the moment stands in each record, so the order tells nothing.
    order = np.lexsort((batch.records["person"], batch.records["region"]))
    planes = batch.records[order].view(np.uint8).reshape(len(batch), DTYPE.itemsize)
    packed = zlib.compress(planes.T.tobytes(), LEVEL)
    words = json.dumps({str(n): w for n, w in sorted(batch.words.items())}, ensure_ascii=False).encode()
    new = path.with_suffix(".new")
    with new.open("wb") as f:
        f.write(HEAD.pack(MARK, len(words), zlib.crc32(packed), len(batch), len(packed)))
        f.write(words)
        f.write(packed)
        f.flush()
        os.fsync(f.fileno())
    new.rename(path)


def read(path: Path) -> Batch:
    """The records of one raw file.

    :raises Damaged: when it is torn or changed.
    """
    data = path.read_bytes()
    if len(data) < HEAD.size:
        raise Damaged(f"{path} 不完整，请从备份恢复。 (Torn; restore it from the backup.)")
    mark, length, checksum, count, size = HEAD.unpack_from(data)
    packed = memoryview(data)[HEAD.size + length :]
    if mark != MARK or len(packed) != size or zlib.crc32(packed) != checksum:
        raise Damaged(f"{path} 已损坏，请从备份恢复。 (Damaged; restore it from the backup.)")
    words = {int(n): w for n, w in json.loads(data[HEAD.size : HEAD.size + length]).items()}
    planes = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(DTYPE.itemsize, count)
    return Batch(np.ascontiguousarray(planes.T).view(DTYPE).reshape(count), words)


def days(folder: Path) -> list[dt.date]:
    """The days that have raw files."""
    found = []
    for place in folder.iterdir() if folder.is_dir() else ():
        try:
            found.append(dt.date.fromisoformat(place.name))
        except ValueError:
            continue
    return sorted(found)


def files(folder: Path, day: dt.date) -> list[Path]:
    """The raw files of ``day``."""
    return sorted((folder / day.isoformat()).glob("*" + SUFFIX))


def readable(folder: Path) -> Iterator[tuple[Path, Batch]]:
    """Every raw file with its records; one that nobody can read is logged, `keyun usage verify` names it."""
    for day in days(folder):
        for path in files(folder, day):
            try:
                yield path, read(path)
            except Damaged:
                log.exception("a raw file is left out")


def forget(folder: Path, numbers: Array) -> Iterator[Path]:
    """Rewrite every raw file that holds one of the accounts ``numbers``: the record stays, nobody's."""
    for path, batch in readable(folder):
        gone = batch.registered & np.isin(batch.records["person"], numbers)
        if gone.any():
            batch = Batch(batch.records.copy(), batch.words)
            blank(batch.records, gone)
            write_file(path, batch)
            yield path


def blank(records: Array, gone: Array) -> None:
    """Take the person out of the records ``gone``."""
    records["person"][gone] = 0
    records["flags"][gone] |= FORGOTTEN


def drop_before(folder: Path, first: dt.date) -> int:
    """Delete the days before ``first``; returns how many."""
    old = [d for d in days(folder) if d < first]
    for day in old:
        for path in (folder / day.isoformat()).iterdir():
            path.unlink()
        (folder / day.isoformat()).rmdir()
    return len(old)
