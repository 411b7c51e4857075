"""What codes mean on a day, and where the files of usage lie."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
from collections.abc import Iterator
from pathlib import Path

from keyun.errors import NotFound
from keyun.site import Site
from keyun_usage.grouping import UNKNOWN, Resolve
from keyun_usage.spool import Spool

FOLDER = "usage"


def spool_folder(instance: Path) -> Path:
    """Where processes append."""
    return instance / FOLDER / "spool"


def raw_folder(instance: Path) -> Path:
    """Where raw records are kept by day."""
    return instance / FOLDER / "raw"


@contextlib.contextmanager
def alone(instance: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the files of this instance against other folds and recounts; False when somebody else does."""
    folder = instance / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def resolver(site: Site) -> Resolve:
    """What a code means on a day, remembered; a code that no table has means no place, never a wider one."""
    tree = site.regions
    known: dict[tuple[int, dt.date], int] = {}

    def resolve(code: int, on: dt.date) -> int:
        key = code, on
        if key not in known:
            text = f"{code:06d}"
            try:
                known[key] = int(tree.resolve(text, on).place.code) if text in tree else UNKNOWN
            except NotFound:
                known[key] = UNKNOWN
        return known[key]

    return resolve


def spool_of(site: Site) -> Spool:
    """Where this process appends what is opened."""
    runtime = site.runtime

    def begin() -> Spool:
        spool = Spool(spool_folder(runtime.instance), runtime.clock)
        runtime.at_end(spool.close)
        return spool

    return runtime.derived("usage.spool", begin)
