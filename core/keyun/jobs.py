"""Background work: rows with leases, written in the transaction of the business change.

The row *is* the job. A worker takes it with one conditional UPDATE, extends the lease while it works,
and a killed worker's job is free again when its lease ends. Delivery is at least once, so handlers
are idempotent. A distributed engine would carry ids only; the row stays the truth.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import socket
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from keyun.db import WRITE, Model, is_sqlite, public_id
from keyun.runtime import Runtime

if TYPE_CHECKING:
    from keyun.site import Site

__all__ = ["GiveUp", "Job", "JobRow", "Worker", "enqueue"]

log = logging.getLogger(__name__)
BACKOFF_SECONDS = (1, 5, 30, 120, 600)
#: How often a worker looks for jobs that a worker without their plugin has set aside.
REVIVE_SECONDS = 60.0
#: What stands at a dead job that never got as far as failing.
LOST = "every attempt ended with the death of its worker (killed, or out of memory); see the log"


class JobRow(Model):
    """One piece of background work."""

    __tablename__ = "core_job"
    __table_args__ = (sa.Index("ix_core_job_state_run_at", "state", "run_at"),)

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=public_id)
    name: Mapped[str] = mapped_column(sa.String(120))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    key: Mapped[str | None] = mapped_column(sa.String(120), unique=True)
    state: Mapped[str] = mapped_column(sa.String(12), default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[dt.datetime]
    run_at: Mapped[dt.datetime]
    lease_until: Mapped[dt.datetime | None]
    owner: Mapped[str | None] = mapped_column(sa.String(120))
    error: Mapped[str | None] = mapped_column(sa.Text)


class GiveUp(Exception):
    """Trying again is of no use: the job ends as dead, and this text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of background work; ``every`` (seconds) repeats it, ``run`` gets the site and the payload.

    ``keep=False`` forgets a job that went well at once, for payloads that say something about a person.
    """

    name: str
    run: Callable[..., None]
    every: float | None = None
    keep: bool = True


def enqueue(
    session: Session,
    name: str,
    payload: Mapping[str, Any],
    *,
    now: dt.datetime,
    key: str | None = None,
    run_at: dt.datetime | None = None,
) -> str:
    """Add a job to the caller's transaction and return its id; one row for each queued ``key``.

    A key belongs to a queued row only: the worker that takes the row clears it. Meeting a queued row
    locks it until the caller commits, so the worker cannot take it before it can see the change.
    """
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    row = insert(JobRow).values(
        id=public_id(),
        name=name,
        payload=dict(payload),
        key=key,
        state="queued",
        attempts=0,
        created_at=now,
        run_at=run_at or now,
    )
    if key is not None:
        row = row.on_conflict_do_update(index_elements=["key"], set_={"key": key})
    return str(session.execute(row.returning(JobRow.id)).scalar_one())


class Worker:
    """Takes due jobs one after another; several may run, on several machines."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.runtime: Runtime = site.runtime
        self.me = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        settings = self.runtime.config.jobs
        self.lease = dt.timedelta(seconds=settings["lease_seconds"])
        self.poll: float = settings["poll_seconds"]
        self.max_attempts: int = settings["max_attempts"]

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; a job in hand is finished first."""
        log.info("worker %s started with %d kinds of job", self.me, len(self.site.jobs))
        next_revival = 0.0
        while not stop.is_set():
            try:
                if time.monotonic() >= next_revival:
                    self.revive()
                    next_revival = time.monotonic() + REVIVE_SECONDS
                self.schedule()
                busy = self.run_due(stop=stop)
            except sa.exc.OperationalError:
                log.exception("the worker cannot reach the database; trying again")
                busy = 0
            if not busy:
                stop.wait(self.poll)

    def run_due(self, limit: int = 100, stop: threading.Event | None = None) -> int:
        """Run up to ``limit`` due jobs, none after ``stop`` is set; returns how many were run."""
        done = 0
        for job_id in self._due(limit):
            if stop is not None and stop.is_set():
                break
            done += self.run_one(job_id)
        return done

    def drain(self) -> int:
        """Run due jobs until none is left; returns how many were run."""
        total = 0
        while busy := self.run_due():
            total += busy
        return total

    def schedule(self) -> None:
        """Queue the repeated jobs that are due; the key keeps each to one row."""
        now = self.runtime.clock()
        for job in self.site.jobs.values():
            if job.every is None:
                continue
            step = int(now.timestamp() // job.every * job.every)
            slot = self.runtime.derived(f"jobs.slot.{job.name}", list[int])
            if slot and slot[0] == step:
                continue
            with self._write() as session:
                enqueue(session, job.name, {}, now=now, key=f"every:{job.name}")
            slot[:] = [step]

    def run_one(self, job_id: str) -> bool:
        """Take and run one job; False when somebody else has it."""
        if not self._claim(job_id):
            return False
        with self.runtime.sessions() as session:
            row = session.get_one(JobRow, job_id)
            name, payload, attempts = row.name, dict(row.payload), row.attempts
        job = self.site.jobs.get(name)
        if job is None:
            # Its plugin is off: the row waits, it is not lost.
            self._finish(job_id, "waiting", f"no plugin handles {name}; enable it to run this job")
            return True
        try:
            with self._heartbeat(job_id):
                job.run(self.site, **payload)
        except GiveUp as e:
            log.error("job %s (%s) gives up: %s", name, job_id, e)
            self._finish(job_id, "dead", str(e))
        # A job may call exit(); the worker goes on.
        except (Exception, SystemExit):
            log.exception("job %s (%s) failed, attempt %d", name, job_id, attempts)
            self._fail(job_id, attempts, traceback.format_exc(limit=8))
        else:
            self._finish(job_id, "done", None, forget=job.every is not None or not job.keep)
        return True

    def revive(self) -> int:
        """Queue again what waited for a plugin that is loaded now; returns the number of jobs."""
        with self._write() as session:
            change = (
                sa.update(JobRow)
                .where(JobRow.state == "waiting", JobRow.name.in_(list(self.site.jobs)))
                .values(state="queued", attempts=0, error=None)
            )
            return int(session.connection().execute(change).rowcount)

    @contextlib.contextmanager
    def _write(self) -> Iterator[Session]:
        with self.runtime.sessions() as session:
            session.connection(execution_options={WRITE: True})
            yield session
            session.commit()

    def _free(self, now: dt.datetime) -> sa.ColumnElement[bool]:
        queued = sa.and_(JobRow.state == "queued", JobRow.run_at <= now)
        silent = sa.and_(JobRow.state == "running", JobRow.lease_until < now)
        return sa.or_(queued, silent)

    def _due(self, limit: int) -> list[str]:
        with self.runtime.sessions() as session:
            query = sa.select(JobRow.id).where(self._free(self.runtime.clock()))
            return list(session.scalars(query.order_by(JobRow.run_at, JobRow.id).limit(limit)))

    def _claim(self, job_id: str) -> bool:
        now = self.runtime.clock()
        with self._write() as session:
            change = (
                sa.update(JobRow)
                .where(JobRow.id == job_id, self._free(now), JobRow.attempts < self.max_attempts)
                .values(
                    state="running",
                    owner=self.me,
                    key=None,
                    attempts=JobRow.attempts + 1,
                    lease_until=now + self.lease,
                )
            )
            taken = session.connection().execute(change).rowcount == 1
            if not taken:
                exhausted = sa.update(JobRow).where(
                    JobRow.id == job_id, self._free(now), JobRow.attempts >= self.max_attempts
                )
                why = sa.func.coalesce(JobRow.error, LOST)
                session.connection().execute(exhausted.values(state="dead", lease_until=None, error=why))
            return taken

    @contextlib.contextmanager
    def _heartbeat(self, job_id: str) -> Iterator[None]:
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(self.lease.total_seconds() / 3):
                mine = sa.update(JobRow).where(JobRow.id == job_id, JobRow.owner == self.me)
                try:
                    with self._write() as session:
                        session.connection().execute(
                            mine.values(lease_until=self.runtime.clock() + self.lease)
                        )
                except sa.exc.OperationalError:
                    log.warning("could not extend the lease of job %s; trying again", job_id)

        thread = threading.Thread(target=beat, name=f"lease-{job_id[:8]}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _finish(self, job_id: str, state: str, error: str | None, *, forget: bool = False) -> None:
        """Record the end; a repeated job that went well leaves no row, or the table would never end."""
        with self._write() as session:
            mine = sa.and_(JobRow.id == job_id, JobRow.owner == self.me)
            ended = sa.update(JobRow).where(mine).values(state=state, lease_until=None, error=error)
            session.connection().execute(sa.delete(JobRow).where(mine) if forget else ended)

    def _fail(self, job_id: str, attempts: int, error: str) -> None:
        if attempts >= self.max_attempts:
            self._finish(job_id, "dead", error)
            return
        pause = dt.timedelta(seconds=BACKOFF_SECONDS[min(attempts, len(BACKOFF_SECONDS)) - 1])
        with self._write() as session:
            mine = sa.update(JobRow).where(JobRow.id == job_id, JobRow.owner == self.me)
            session.connection().execute(
                mine.values(
                    state="queued", lease_until=None, error=error, run_at=self.runtime.clock() + pause
                )
            )
