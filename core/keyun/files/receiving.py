"""Take a file in: read it in pieces, judge it by its bytes, and keep it, before any row speaks of it.

Called by shells outside of a unit of work, after they asked for the permission: reading and decoding
take time. What no row comes to speak of is swept after a day.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.db import is_sqlite
from keyun.errors import Conflict, Invalid
from keyun.files.kinds import PICTURES, clean_name, kind_of
from keyun.files.models import StoredFile
from keyun.files.pictures import Picture, clean
from keyun.files.store import CHUNK, store

if TYPE_CHECKING:
    from keyun.site import Site
    from keyun.uow import UnitOfWork

EMPTY = "请选择文件。 (Choose a file.)"
UNKNOWN = (
    "不接受这种文件；文件的种类看内容，不看扩展名。"
    " (Files of this kind are not accepted; the kind is told by the bytes, not by the ending.)"
)


class Source(Protocol):
    """Something to read from, such as an upload."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Received:
    """A file that lies in the store: give it to :func:`keyun.files.attach` in the next unit of work."""

    digest: str
    kind: str
    size: int
    name: str


def receive(site: Site, source: Source, name: str) -> Received:
    """Keep what ``source`` holds; ``name`` is what it is called.

    :raises Invalid: when it is empty, too large, broken, or of a kind that is not accepted.
    """
    allowed = site.runtime.config.files["kinds"]
    with _temporary() as taken, _temporary() as bare:
        _copy(source, taken, max(allowed.values(), default=0))
        kind = kind_of(taken)
        if kind is None or kind not in allowed:
            raise Invalid(UNKNOWN, {"file": [UNKNOWN]})
        if taken.seek(0, 2) > allowed[kind]:
            raise _too_large(allowed[kind])
        picture = None
        if kind in PICTURES:
            picture = clean(site.runtime, taken, bare, kind, site.runtime.config.files["most_pixels"])
        return _keep(site, bare if picture else taken, picture, kind, name)


def _temporary() -> IO[bytes]:
    """Small files stay in memory, larger ones do not."""
    return tempfile.SpooledTemporaryFile(max_size=1 << 20)


def _keep(site: Site, file: IO[bytes], picture: Picture | None, kind: str, name: str) -> Received:
    digest, size = _measured(file)
    width, height = (picture.width, picture.height) if picture else (None, None)
    with site.writing() as unit:
        _expect(unit, StoredFile(digest=digest, kind=kind, size=size, width=width, height=height))
    store(site.runtime).put(digest, file)
    return Received(digest, kind, size, clean_name(name, kind))


def _copy(source: Source, target: IO[bytes], most: int) -> None:
    """Copy, and stop as soon as it is too much."""
    total = 0
    while chunk := source.read(CHUNK):
        total += len(chunk)
        if total > most:
            raise _too_large(most)
        target.write(chunk)
    if not total:
        raise Invalid(EMPTY, {"file": [EMPTY]})


def _measured(file: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _expect(unit: UnitOfWork, file: StoredFile) -> None:
    """Write down that the file is there or comes, so that the sweeper leaves it alone for a day.

    :raises Conflict: while the sweeper removes the same file.
    """
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(StoredFile)
    row = insert.values(
        digest=file.digest, kind=file.kind, size=file.size, width=file.width, height=file.height,
        rendered=False, dying=False, touched_at=unit.now,
    )  # fmt: skip
    touched = row.on_conflict_do_update(
        index_elements=["digest"], set_={"touched_at": unit.now}, where=StoredFile.dying.is_(False)
    )
    if unit.session.scalar(touched.returning(StoredFile.digest)) is None:
        raise Conflict(
            "同样的文件正在清理，请过一会儿再传。 (The same file is being removed; try again soon.)"
        )


def _too_large(most: int) -> Invalid:
    message = f"文件太大，最多 {most / 1e6:.0f} MB。 (The file is too large; at most {most / 1e6:.0f} MB.)"
    return Invalid(message, {"file": [message]})


def keep(unit: UnitOfWork, digest: str) -> bool:
    """Say that the file of ``digest`` is about to be shown; False when the sweeper has it already."""
    change = sa.update(StoredFile).where(StoredFile.digest == digest, StoredFile.dying.is_(False))
    done = unit.session.execute(
        change.values(touched_at=unit.now), execution_options={"synchronize_session": False}
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]
