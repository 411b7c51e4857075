"""``keyun jobs``."""

from __future__ import annotations

import click
import sqlalchemy as sa

from keyun.cli.console import Console, Group, pass_console
from keyun.errors import NotFound
from keyun.jobs import JobRow, Worker

STATES = ("queued", "running", "done", "dead", "waiting")
MOST = 200


@click.group(cls=Group)
def jobs() -> None:
    """Look at background jobs."""


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only this state.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, errors in full.")
@pass_console
def list_(console: Console, state: str | None, as_json: bool) -> None:
    """List the newest 200 jobs with their state and the last line of their error."""
    query = sa.select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id).limit(MOST)
    if state:
        query = query.where(JobRow.state == state)
    with console.site.reading() as unit:
        rows = [
            {
                "id": r.id,
                "name": r.name,
                "state": r.state,
                "attempts": r.attempts,
                "created_at": r.created_at.isoformat(),
                "run_at": r.run_at.isoformat(),
                "error": r.error,
            }
            for r in unit.session.scalars(query)
        ]
    if as_json:
        console.json(rows)
        return
    for r in rows:
        lines = str(r["error"] or "").strip().splitlines()
        last = lines[-1] if lines else ""
        click.echo(f"{r['id']}  {r['state']:<8} {r['attempts']}  {r['name']:<24} {last}".rstrip())


@jobs.command()
@click.argument("job_id", metavar="ID")
@pass_console
def retry(console: Console, job_id: str) -> None:
    """Queue a dead or waiting job again."""
    with console.site.writing() as unit:
        change = sa.update(JobRow).where(JobRow.id == job_id, JobRow.state.in_(["dead", "waiting"]))
        again = change.values(state="queued", attempts=0, run_at=unit.now, error=None).returning(JobRow.id)
        if unit.session.scalar(again) is None:
            raise NotFound(f"no dead or waiting job {job_id}; see `keyun jobs list --state dead`")
    click.echo(f"{job_id} is queued again; a worker takes it, or `keyun jobs run`")


@jobs.command("run")
@pass_console
def run_(console: Console) -> None:
    """Run every due job here and now, and those that waited for a plugin enabled since."""
    worker = Worker(console.site)
    worker.revive()
    worker.schedule()
    click.echo(f"{worker.drain()} jobs run")
