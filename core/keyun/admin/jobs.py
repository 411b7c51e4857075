"""Background jobs as administrators see them: counted, listed, tried again, deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from keyun.access import Actor
from keyun.admin.access import require_manage, require_view
from keyun.errors import NotFound
from keyun.jobs import JobRow
from keyun.uow import UnitOfWork

#: In the order in which they ask for attention.
STATES = ("dead", "waiting", "queued", "running", "done")
#: What may be tried again: it failed for good, or waited for a plugin.
STUCK = ("dead", "waiting")
MOST = 200


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs are in each state, and since when the oldest due one waits for a worker."""

    by_state: Mapping[str, int]
    due_since: dt.datetime | None


def count_jobs(actor: Actor, unit: UnitOfWork) -> JobCounts:
    """Count the jobs."""
    require_view(actor, unit)
    found = unit.session.execute(sa.select(JobRow.state, sa.func.count()).group_by(JobRow.state))
    counts: dict[str, int] = {state: number for state, number in found}
    due = sa.select(JobRow.run_at).where(JobRow.state == "queued", JobRow.run_at <= unit.now)
    oldest = unit.session.scalar(due.order_by(JobRow.run_at).limit(1))
    return JobCounts({s: counts.get(s, 0) for s in STATES}, oldest)


def list_jobs(
    actor: Actor, unit: UnitOfWork, state: str | None = None, limit: int = MOST
) -> Sequence[JobRow]:
    """The newest jobs, of one state or all."""
    require_view(actor, unit)
    query = sa.select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id).limit(limit)
    return unit.session.scalars(query if state is None else query.where(JobRow.state == state)).all()


def retry_job(actor: Actor, unit: UnitOfWork, job_id: str) -> str:
    """Queue a dead or waiting job again; returns its name.

    :raises NotFound: when no such job is in one of these states.
    """
    require_manage(actor, unit)
    change = sa.update(JobRow).where(JobRow.id == job_id, JobRow.state.in_(STUCK))
    again = change.values(state="queued", attempts=0, run_at=unit.now, error=None)
    name = unit.session.scalar(again.returning(JobRow.name))
    return _recorded(actor, unit, "job.retried", job_id, name)


def delete_job(actor: Actor, unit: UnitOfWork, job_id: str) -> str:
    """Give up a dead or waiting job; returns its name. What it should have done is not done.

    :raises NotFound: when no such job is in one of these states.
    """
    require_manage(actor, unit)
    gone = sa.delete(JobRow).where(JobRow.id == job_id, JobRow.state.in_(STUCK)).returning(JobRow.name)
    return _recorded(actor, unit, "job.deleted", job_id, unit.session.scalar(gone))


def _recorded(actor: Actor, unit: UnitOfWork, event: str, job_id: str, name: str | None) -> str:
    if name is None:
        raise NotFound(
            f"没有失败或等待中的任务 {job_id}。"
            f" (No dead or waiting job {job_id}; see `keyun jobs list --state dead`.)"
        )
    # A job has no number of its own; its id stands in the data.
    unit.record(event, "job", 0, actor, job=job_id, kind=name)
    return name
