"""``keyun jobs``."""

from __future__ import annotations

import click

from keyun.access import system
from keyun.admin.jobs import STATES, delete_job, list_jobs, retry_job
from keyun.cli.console import Console, Group, pass_console
from keyun.jobs import Worker


@click.group(cls=Group)
def jobs() -> None:
    """Look at background jobs."""


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only this state.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, errors in full.")
@pass_console
def list_(console: Console, state: str | None, as_json: bool) -> None:
    """List the newest 200 jobs with their state and the last line of their error."""
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
            for r in list_jobs(system(), unit, state)
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
        retry_job(system(), unit, job_id)
    click.echo(f"{job_id} is queued again; a worker takes it, or `keyun jobs run`")


@jobs.command()
@click.argument("job_id", metavar="ID")
@pass_console
def delete(console: Console, job_id: str) -> None:
    """Give up a dead or waiting job; what it should have done is not done."""
    with console.site.writing() as unit:
        name = delete_job(system(), unit, job_id)
    click.echo(f"{name} {job_id} is deleted")


@jobs.command("run")
@pass_console
def run_(console: Console) -> None:
    """Run every due job here and now, and those that waited for a plugin enabled since."""
    worker = Worker(console.site)
    worker.revive()
    worker.schedule()
    click.echo(f"{worker.drain()} jobs run")
