"""``keyun jobs``."""

from __future__ import annotations

import click
import sqlalchemy as sa

from keyun.cli.console import Console, Group, pass_console
from keyun.errors import NotFound
from keyun.jobs import JobRow, Worker

STATES = ("queued", "running", "done", "dead", "waiting")


@click.group(cls=Group)
def jobs() -> None:
    """Look at background jobs."""


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only this state.")
@click.option("--json", "as_json", is_flag=True)
@pass_console
def list_(console: Console, state: str | None, as_json: bool) -> None:
    """List the newest 200 jobs with their state and last error."""
    query = sa.select(JobRow).order_by(JobRow.created_at.desc()).limit(200)
    if state:
        query = query.where(JobRow.state == state)
    with console.site.reading() as unit:
        rows = [
            {"id": r.id, "name": r.name, "state": r.state, "attempts": r.attempts, "error": r.error}
            for r in unit.session.scalars(query)
        ]
    if as_json:
        console.json(rows)
        return
    for r in rows:
        last = (r["error"] or "").strip().splitlines()[-1:] or [""]
        click.echo(f"{r['id']}  {r['state']:<8} {r['attempts']}  {r['name']:<24} {last[0]}")


@jobs.command()
@click.argument("job_id")
@pass_console
def retry(console: Console, job_id: str) -> None:
    """Queue a dead or waiting job again."""
    with console.site.writing() as unit:
        change = sa.update(JobRow).where(JobRow.id == job_id, JobRow.state.in_(["dead", "waiting"]))
        done = unit.session.execute(change.values(state="queued", attempts=0, run_at=unit.now))
        if not done.rowcount:  # type: ignore[attr-defined]
            raise NotFound(f"no dead or waiting job {job_id}; see `keyun jobs list --state dead`")
    click.echo(f"{job_id} is queued again")


@jobs.command("run")
@pass_console
def run_(console: Console) -> None:
    """Run every due job here and now."""
    worker = Worker(console.site)
    worker.schedule()
    click.echo(f"{worker.drain()} jobs run")
