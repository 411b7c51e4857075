"""A site with usage, and processes that append without a web server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keyun.access import system
from keyun.site import Site
from keyun.testing import Clock, MakeSite
from keyun_usage import folding, places, services
from keyun_usage.layout import REGISTERED
from keyun_usage.services import Report
from keyun_usage.spool import Spool

NOON = dt.datetime(2026, 11, 24, 4, tzinfo=dt.UTC)
DANLENG, DONGPO, CHENGDU = 511424, 511402, 510105


@dataclass(frozen=True, slots=True)
class Use:
    """One opening."""

    person: int
    region: int = DANLENG
    at: dt.datetime = NOON
    registered: bool = True
    channel: str = "web"
    agent: str = "browser"
    subject: str = "popsci.article"
    item: int = 7

    def into(self, spool: Spool) -> None:
        """Append it."""
        words = (self.channel, self.agent, self.subject)
        flags = REGISTERED if self.registered else 0
        spool.note(int(self.at.timestamp()), self.region, self.item, self.person, words, flags)


@dataclass
class Usage:
    """The site, and what tests do with it."""

    site: Site
    spools: list[Spool]

    @property
    def folder(self) -> Path:
        """Where processes append."""
        return places.spool_folder(self.site.runtime.instance)

    @property
    def raw(self) -> Path:
        """Where raw records are kept."""
        return places.raw_folder(self.site.runtime.instance)

    def spool(self) -> Spool:
        """Another process that appends; nothing reaches its file but by ``flush``."""
        self.spools.append(Spool(self.folder, self.site.runtime.clock, every=3600))
        return self.spools[-1]

    def write(self, *uses: Use, end: bool = True) -> Path:
        """What a process of its own appended; it has ended in order unless told otherwise."""
        before = set(self.folder.glob("*"))
        spool = self.spool()
        for use in uses:
            use.into(spool)
        spool.flush()
        if end:
            spool.close()
        (path,) = set(self.folder.glob("*")) - before
        return path

    def fold(self) -> int:
        """Fold everything."""
        return folding.fold_all(self.site)

    def report(
        self,
        region: str = "510000",
        start: dt.date = dt.date(2026, 11, 1),
        end: dt.date = dt.date(2026, 11, 30),
    ) -> Report:
        """The figures of a place, of November unless told otherwise."""
        with self.site.reading() as unit:
            return services.report(system(), unit, region, start, end)


@pytest.fixture
def usage(make_site: MakeSite, clock: Clock) -> Iterator[Usage]:
    clock.now = NOON + dt.timedelta(hours=1)
    made = Usage(make_site("popsci", "usage"), [])
    yield made
    for spool in made.spools:
        spool.close()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """A spool without a site; its thread never comes by itself."""
    made = Spool(tmp_path / "spool", lambda: NOON, every=3600)
    yield made
    made.close()


@pytest.fixture
def only(tmp_path: Path) -> Callable[[], Path]:
    """The only file of that spool."""

    def find() -> Path:
        (path,) = (tmp_path / "spool").glob("*.spool")
        return path

    return find
