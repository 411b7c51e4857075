"""Make smaller pictures, and sweep what no item shows."""

from __future__ import annotations

import datetime as dt
import tempfile
from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyun.files.models import Attachment, StoredFile
from keyun.files.pictures import COMMAND, SIZES, available, shrink
from keyun.files.services import RENDER, SWEEP
from keyun.files.store import store
from keyun.jobs import GiveUp, Job

if TYPE_CHECKING:
    from keyun.site import Site

#: A file that was brought and never attached, or taken off, stays so long.
KEEP = dt.timedelta(days=1)
CHUNK = 100


def file_jobs() -> tuple[Job, ...]:
    """The jobs of files."""
    return Job(RENDER, render), Job(SWEEP, sweep, every=3600.0)


def render(site: Site, digest: str) -> None:
    """Write the smaller pictures of one file; until they are there, the page shows the whole one."""
    with site.reading() as unit:
        file = unit.session.get(StoredFile, digest)
    if file is None or file.dying or file.rendered:
        return
    if not available():
        raise GiveUp(f"pictures need Pillow; run {COMMAND}, then `keyun jobs retry`")
    files = store(site.runtime)
    for name in SIZES:
        with files.open(digest) as original, tempfile.SpooledTemporaryFile(max_size=1 << 20) as target:
            shrink(site.runtime, original, target, file.kind, name)
            files.put(f"{digest}.{name}", target)
    with site.writing() as unit:
        unit.session.execute(sa.update(StoredFile).where(StoredFile.digest == digest).values(rendered=True))


def sweep(site: Site) -> None:
    """Remove what nobody has shown for a day: first it is marked, then the bytes go, then the row.

    A sweep that was killed half-way is finished by the next one.
    """
    while doomed := _doom(site):
        for digest in doomed:
            for name in (digest, *(f"{digest}.{size}" for size in SIZES)):
                store(site.runtime).remove(name)
        with site.writing() as unit:
            gone = sa.delete(StoredFile).where(StoredFile.digest.in_(doomed), StoredFile.dying.is_(True))
            unit.session.execute(gone)


def _doom(site: Site) -> list[str]:
    """Mark files that nobody shows, and return what is marked."""
    shown = sa.exists().where(Attachment.digest == StoredFile.digest)
    with site.writing() as unit:
        old = StoredFile.touched_at < unit.now - KEEP
        chosen = sa.select(StoredFile.digest).where(StoredFile.dying.is_(False), old, ~shown).limit(CHUNK)
        change = sa.update(StoredFile).where(
            StoredFile.digest.in_(chosen), StoredFile.dying.is_(False), old, ~shown
        )
        unit.session.execute(change.values(dying=True), execution_options={"synchronize_session": False})
        query = sa.select(StoredFile.digest).where(StoredFile.dying.is_(True)).limit(CHUNK)
        return list(unit.session.scalars(query))
