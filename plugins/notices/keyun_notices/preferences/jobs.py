"""Background work of preferences: make the digests that are due, and forget what is old."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from keyun.jobs import Job
from keyun.site import Site
from keyun_notices.preferences import digests
from keyun_notices.preferences.models import SentCount

#: Counts are needed for the running day only; a few more answer questions.
KEEP_COUNTS = dt.timedelta(days=14)


def jobs() -> tuple[Job, ...]:
    """The repeated jobs of this room."""
    return (
        Job("notices.digests", make, every=300.0),
        Job("notices.preferences-sweep", sweep, every=86_400.0),
    )


def make(site: Site) -> None:
    """Make daily and weekly digests that are due; run again, it finds nothing left to do."""
    digests.run(site)


def sweep(site: Site) -> None:
    """Forget old digests and counts."""
    with site.writing() as unit:
        digests.tidy(unit)
        unit.session.execute(sa.delete(SentCount).where(SentCount.day < unit.today - KEEP_COUNTS))
