"""Everything at a glance: what the first page of the admin area counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from keyun.access import Actor
from keyun.admin.access import VIEW, require_view, whole
from keyun.admin.events import last_event
from keyun.admin.indexes import Behind, list_indexes
from keyun.admin.jobs import JobCounts, count_jobs
from keyun.plugins.budget import Slow
from keyun.plugins.survey import Row, survey
from keyun.reviews.queue import Waiting, count_waiting
from keyun.serving.record import Refusal, ServerRecord, read
from keyun.uow import UnitOfWork

#: A due job that no worker took for so long: no worker runs, or it is overloaded.
STALLED = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Machinery:
    """What belongs to the whole site."""

    plugins: Sequence[Row]
    order: Sequence[str]
    server: ServerRecord | None
    slow: Sequence[Slow]
    jobs: JobCounts
    stalled: bool
    indexes: Sequence[Behind]
    last_event: dt.datetime | None

    @property
    def refused(self) -> Refusal | None:
        """The change that the running server did not take."""
        return self.server.refused if self.server else None

    @property
    def troubled(self) -> list[Row]:
        """Plugins that somebody wanted and that do not work."""
        return [r for r in self.plugins if r.state in ("faulted", "pending-migration", "missing")]

    @property
    def active(self) -> list[Row]:
        """Plugins that work."""
        return [r for r in self.plugins if r.state == "active"]

    @property
    def late(self) -> list[Behind]:
        """Indexes that somebody should look at."""
        return [i for i in self.indexes if i.late]


@dataclass(frozen=True, slots=True)
class Overview:
    """``machinery`` is None for an administrator of a part of the site."""

    machinery: Machinery | None
    waiting: Sequence[Waiting]
    overdue_reviews: int

    @property
    def reviews(self) -> int:
        """How many texts wait for a reviewer."""
        return sum(w.count for w in self.waiting)


def look(actor: Actor, unit: UnitOfWork) -> Overview:
    """Look at everything that ``actor`` may see; the machinery only with a role for the whole site."""
    unit.require(actor, VIEW)
    waiting = count_waiting(actor, unit)
    late = count_waiting(actor, unit, late=True)
    sees_all = unit.site.access.allows(actor, VIEW, whole(unit.site))
    return Overview(machinery(actor, unit) if sees_all else None, waiting, sum(w.count for w in late))


def machinery(actor: Actor, unit: UnitOfWork) -> Machinery:
    """Look at plugins, jobs, indexes and the event log."""
    require_view(actor, unit)
    site, jobs = unit.site, count_jobs(actor, unit)
    return Machinery(
        plugins=survey(site),
        order=[p.name for p in site.plugins.plugins.values()],
        server=read(site.runtime.instance),
        slow=site.plugins.budget.slow(),
        jobs=jobs,
        stalled=jobs.due_since is not None and unit.now - jobs.due_since > STALLED,
        indexes=list_indexes(actor, unit),
        last_event=last_event(actor, unit),
    )
