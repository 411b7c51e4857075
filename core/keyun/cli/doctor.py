"""``keyun doctor``: look at everything, name what needs repair."""

from __future__ import annotations

import importlib.util
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator

import click
import sqlalchemy as sa

from keyun.cli.console import Console, pass_console
from keyun.errors import KeyunError

LOW_DISK = 512 * 1024 * 1024


@click.command()
@click.option("--json", "as_json", is_flag=True)
@pass_console
def doctor(console: Console, as_json: bool) -> None:
    """Exit 0 on a healthy instance with any set of plugins, 1 with problems; each names its repair."""
    found = [{"check": name, "problems": list(_ask(check, console))} for name, check in _checks(console)]
    notes = list(_notes())
    if as_json:
        console.json({"checks": found, "notes": notes})
    else:
        for entry in found:
            click.echo(f"{'ok ' if not entry['problems'] else 'BAD'}  {entry['check']}")
            for problem in entry["problems"]:
                click.echo(f"       {problem}")
        for note in notes:
            click.echo(f"note {note}")
    if any(entry["problems"] for entry in found):
        raise SystemExit(1)


Check = Callable[[Console], Iterable[str]]


def _checks(console: Console) -> Iterator[tuple[str, Check]]:
    yield "instance", _instance
    if not (console.instance / "secret.key").exists():
        return
    yield "configuration", _configuration
    yield "database", _database
    yield "plugins", _plugins
    yield "disk", _disk
    yield "jobs", _jobs
    yield "search index", _search
    try:
        checks = console.site.plugins.checks()
    except KeyunError:
        return
    for check in checks:
        yield check.name, lambda _console, run=check.run: run()  # type: ignore[misc]


def _ask(check: Check, console: Console) -> Iterator[str]:
    try:
        yield from check(console)
    except KeyunError as e:
        yield str(e)
    # A doctor that falls ill is no help: whatever a check meets is shown as its problem.
    except Exception as e:
        yield f"the check itself failed: {type(e).__name__}: {e}"


def _instance(console: Console) -> Iterator[str]:
    key = console.instance / "secret.key"
    if not key.exists():
        yield f"{console.instance} is not set up; run `keyun init`"
    elif stat.S_IMODE(key.stat().st_mode) & 0o077:
        yield f"{key} can be read by others; run `chmod 600 {key}`"


def _configuration(console: Console) -> Iterator[str]:
    home = console.runtime.config.site["region"]
    if home not in console.site.regions:
        yield f"[site] region = {home!r} is no known code; correct keyun.toml"


def _database(console: Console) -> Iterator[str]:
    for s in console.migrator.status():
        if s.state == "pending" or (s.name == "core" and s.state != "current"):
            yield f"{s.name}: schema {s.current or '-'}, code {s.head or '-'}; run `keyun db upgrade`"
    if not len(console.site.regions):
        yield "no administrative divisions; run `keyun init`"


def _plugins(console: Console) -> Iterator[str]:
    for problems in console.site.plugins.faults.values():
        yield from problems


def _disk(console: Console) -> Iterator[str]:
    free = shutil.disk_usage(console.instance).free
    if free < LOW_DISK:
        yield f"only {free >> 20} MB free below {console.instance}; make room"


def _jobs(console: Console) -> Iterator[str]:
    from keyun.jobs import JobRow

    with console.site.reading() as unit:
        dead = unit.session.scalar(
            sa.select(sa.func.count()).select_from(JobRow).where(JobRow.state == "dead")
        )
    if dead:
        yield f"{dead} dead job(s); see `keyun jobs list --state dead`"


def _search(console: Console) -> Iterator[str]:
    from keyun.search import verify

    report = verify(console.site)
    if not report.healthy and not report.lag:
        yield (
            f"missing {len(report.missing)}, outdated {len(report.stale)}, extra {len(report.extra)}; "
            "run `keyun index rebuild`"
        )


def _notes() -> Iterator[str]:
    if importlib.util.find_spec("numba") is None:
        yield "numba is not installed: matching uses numpy, same ranking, slower"
