"""Which sub-sites there are, as every process knows them: read again after a second, without a restart."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from keyun.runtime import Runtime
from keyun.sites.models import SubSite

log = logging.getLogger(__name__)
NAME = "sites.directory"
#: A process asks the database at most this often; a change shows everywhere within twice that.
FRESH = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Shown:
    """A sub-site as requests see it; the text of its home page is read when that page is."""

    slug: str
    name: str
    name_en: str
    region: str
    banner: str
    banner_en: str
    colour: str
    menu: tuple[str, ...]
    host: str | None

    @property
    def prefix(self) -> str:
        """What stands before every address of this sub-site."""
        return f"/s/{self.slug}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All active sub-sites at one moment."""

    read_at: dt.datetime | None = None
    by_slug: Mapping[str, Shown] = field(default_factory=dict)
    by_host: Mapping[str, Shown] = field(default_factory=dict)


class Directory:
    """The sub-sites of this process. The table is small, so it is read whole: no cursor can go wrong."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._known = Snapshot()

    def called(self, slug: str) -> Shown | None:
        """The active sub-site of this slug."""
        return self._current().by_slug.get(slug)

    def at_host(self, host: str) -> Shown | None:
        """The active sub-site with a host name of its own."""
        return self._current().by_host.get(host)

    def _current(self) -> Snapshot:
        now = self._runtime.clock()
        # A clock may be set back, hence the absolute value.
        if self._known.read_at is not None and abs(now - self._known.read_at) < FRESH:
            return self._known
        # One thread reads; the others go on with what they have, unless there is nothing yet.
        if self._lock.acquire(blocking=self._known.read_at is None):
            try:
                self._known = self._read(now)
            finally:
                self._lock.release()
        return self._known

    def _read(self, now: dt.datetime) -> Snapshot:
        columns = (c for c in SubSite.__table__.c if c.name in Shown.__dataclass_fields__)
        query = sa.select(*columns).where(SubSite.active)
        try:
            with self._runtime.sessions() as session:
                rows = session.execute(query).mappings().all()
        except SQLAlchemyError as e:
            # The request meets the same database a moment later and says so; known sub-sites stay.
            log.warning("the sub-sites cannot be read, the known ones stay: %s", e)
            return Snapshot(now, self._known.by_slug, self._known.by_host)
        found = [Shown(**{**row, "menu": tuple(row["menu"])}) for row in rows]
        return Snapshot(now, {s.slug: s for s in found}, {s.host: s for s in found if s.host})


def directory(runtime: Runtime) -> Directory:
    """The directory of this process."""
    return runtime.derived(NAME, lambda: Directory(runtime))


def forget(runtime: Runtime) -> None:
    """Let the next request of this process read anew."""
    runtime.forget(NAME)
