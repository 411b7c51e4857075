"""``keyun doctor``: look at everything, name what needs repair."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import click
import sqlalchemy as sa

from keyun.cli.console import Console, pass_console
from keyun.config import FILE
from keyun.errors import KeyunError
from keyun.hookspecs import Check as PluginCheck
from keyun.migrate import lacking
from keyun.plugins.declarations import listed

LOW_DISK = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found; a note is worth knowing and needs no repair."""

    text: str
    is_note: bool = False


@dataclass(slots=True)
class Entry:
    """What one check found."""

    check: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Check = Callable[[Console], Iterable[Finding]]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def doctor(console: Console, as_json: bool) -> None:
    """Exit 0 on a healthy instance with any set of plugins, 1 with problems; each names its repair."""
    console.require_set_up()
    entries = list(_examine(console))
    if as_json:
        healthy = not any(e.problems for e in entries)
        checks = [{"check": e.check, "problems": e.problems, "notes": e.notes} for e in entries]
        console.json({"healthy": healthy, "checks": checks})
    else:
        for entry in entries:
            click.echo(f"{'BAD' if entry.problems else 'ok ':<4} {entry.check}")
            for text in entry.problems:
                click.echo(f"       {text}")
            for text in entry.notes:
                click.echo(f"       note: {text}")
    if any(e.problems for e in entries):
        raise SystemExit(1)


def _examine(console: Console) -> Iterator[Entry]:
    """Check after check; what stands on a broken foundation is not looked at."""
    yield _ask("python", _python, console)
    yield _ask("secret key", _secret, console)
    for name, check in (("configuration", _configuration), ("database", _database), ("plugin state", _state)):
        entry = _ask(name, check, console)
        yield entry
        if entry.problems:
            return
    for name, check in (
        ("plugins", _plugins),
        ("regions", _regions),
        ("disk", _disk),
        ("jobs", _jobs),
        ("search index", _search),
        ("content", _content),
        ("files", _files),
        ("overrides", _overrides),
    ):
        yield _ask(name, check, console)
    yield from _plugin_checks(console)


def _ask(name: str, check: Check, console: Console) -> Entry:
    entry = Entry(name)
    try:
        for finding in check(console):
            (entry.notes if finding.is_note else entry.problems).append(finding.text)
    except KeyunError as e:
        entry.problems.append(str(e))
    # A doctor that falls ill is no help: whatever a check meets is shown as its problem.
    except (Exception, SystemExit) as e:
        entry.problems.append(f"the check itself failed: {type(e).__name__}: {e}")
    return entry


def _python(_console: Console) -> Iterator[Finding]:
    yield Finding(
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}", is_note=True
    )
    if importlib.util.find_spec("rjieba") is None:
        yield Finding("rjieba is missing, Chinese text cannot be cut into words; run `pip install rjieba`")
    if importlib.util.find_spec("numba") is None:
        text = "numba is not installed: matching falls back to numpy, with the same ranking, slower"
        yield Finding(text, is_note=True)


def _secret(console: Console) -> Iterator[Finding]:
    key = console.instance / "secret.key"
    if not key.exists():
        yield Finding(f"{key} is missing, nobody can log in; run `keyun init`")
        return
    if len(key.read_bytes()) < 16:
        yield Finding(f"{key} is too short; delete it and run `keyun init` (everybody logs in anew)")
    if (mode := stat.S_IMODE(key.stat().st_mode)) & 0o077:
        yield Finding(f"{key} has mode {mode:04o}, others can read it; run `chmod 600 {key}`")


def _configuration(console: Console) -> Iterator[Finding]:
    if not (console.instance / FILE).exists():
        yield Finding(f"no {FILE}, every setting has its default", is_note=True)
    # Reading validates it.
    _ = console.runtime.config


def _database(console: Console) -> Iterator[Finding]:
    try:
        lineages = console.migrator.status()
    except sa.exc.SQLAlchemyError as e:
        reason = " ".join(str(getattr(e, "orig", None) or e).split())
        yield Finding(f"the database cannot be reached: {reason}; check database_url and the server")
        return
    for s in lineages:
        if s.name == "core" and s.state == "absent":
            yield Finding("the database is empty; run `keyun init`")
        elif s.state == "pending":
            yield Finding(f"{s.name}: tables at {s.current}, code at {s.head}; run `keyun db upgrade`")
        elif s.state == "orphaned":
            yield Finding(f"{s.name} has tables here but is not installed; its data waits", is_note=True)


def _state(console: Console) -> Iterator[Finding]:
    """The file of enabled plugins can be read; opening the site reads it."""
    _ = console.site
    if os.environ.get("KEYUN_SAFE_MODE") == "1":
        yield Finding("safe mode is on (KEYUN_SAFE_MODE=1): no plugin is loaded", is_note=True)


def _plugins(console: Console) -> Iterator[Finding]:
    plugins = console.site.plugins
    yield Finding(f"active: {', '.join(p.name for p in plugins.plugins.values()) or 'none'}", is_note=True)
    for problems in plugins.faults.values():
        yield from (Finding(p) for p in problems)
    for plugin in plugins.plugins.values():
        yield from map(Finding, lacking(console.runtime.engine, plugin.name))
    for slow in plugins.budget.slow():
        yield Finding(slow.says(), is_note=not slow.suspended)


def _regions(console: Console) -> Iterator[Finding]:
    tree, home = console.site.regions, console.runtime.config.site["region"]
    if not len(tree):
        yield Finding("no administrative divisions are loaded; run `keyun init`")
    elif home not in tree:
        yield Finding(f"[site] region = {home!r} is no known code; correct {console.instance / FILE}")


def _disk(console: Console) -> Iterator[Finding]:
    free = shutil.disk_usage(console.instance).free
    if free < LOW_DISK:
        yield Finding(f"only {free >> 20} MB free for {console.instance}; make room")


def _jobs(console: Console) -> Iterator[Finding]:
    from keyun.jobs import JobRow

    with console.site.reading() as unit:
        query = sa.select(JobRow.state, sa.func.count()).group_by(JobRow.state)
        count = {row[0]: row[1] for row in unit.session.execute(query)}
    if dead := count.get("dead"):
        yield Finding(f"{dead} dead job(s); see `keyun jobs list --state dead`, then `keyun jobs retry ID`")
    if waiting := count.get("waiting"):
        yield Finding(f"{waiting} job(s) wait for a plugin that is not enabled", is_note=True)


def _search(console: Console) -> Iterator[Finding]:
    from keyun.search import verify

    report = verify(console.site)
    if report.damaged:
        found = f"{len(report.missing)} missing, {len(report.stale)} outdated, {len(report.extra)} too many"
        yield Finding(f"of {report.expected} items: {found}; run `keyun index rebuild`")
    if report.behind:
        text = (
            f"{report.lag} event(s) behind; a worker brings it up to date (`keyun serve`, `keyun jobs run`)"
        )
        yield Finding(text, is_note=True)


def _content(console: Console) -> Iterator[Finding]:
    """Items of a type whose plugin has no row for them are stored, and nobody sees them."""
    from keyun.content.adoption import missing

    with console.site.reading() as unit:
        found = missing(unit)
    slots = console.site.plugins.plugins
    for name, count in found.items():
        server = slots[name.partition(".")[0]].name
        text = f"{count:,} {name} item(s) are stored but not shown; run `keyun plugins adopt {server}`"
        yield Finding(f"{text}, which says why")


def _files(console: Console) -> Iterator[Finding]:
    """Whether the files of content are there; ``keyun files verify`` reads them as well."""
    from keyun.files.pictures import COMMAND, available
    from keyun.files.services import stored
    from keyun.files.store import store

    with console.site.reading() as unit:
        expected = set(stored(unit))
    if missing := expected - set(store(console.runtime).names()):
        text = (
            f"{len(missing)} of {len(expected)} file(s) of content are missing; bring back the folder files"
        )
        yield Finding(f"{text} (or what [files] url names) from the backup, then run `keyun files verify`")
    if not available():
        yield Finding(f"pictures are refused because Pillow is not installed; run {COMMAND}", is_note=True)


def _overrides(console: Console) -> Iterator[Finding]:
    """Templates and texts of the instance; a wrong one is not used."""
    from keyun.web import i18n, overrides, templating

    texts, problems = overrides.catalogues(console.instance, i18n.LANGUAGES)
    templates = overrides.template_problems(console.instance, templating.shipped(console.site))
    yield from map(Finding, [*problems, *templates])
    for strange in overrides.strange_texts(texts, i18n.shipped(console.site)):
        yield Finding(strange, is_note=True)


def _plugin_checks(console: Console) -> Iterator[Entry]:
    # What a plugin prints is not for the programs that read the answer.
    with contextlib.redirect_stdout(sys.stderr):
        checks = console.site.plugins.checks()
    for check in checks:
        with contextlib.redirect_stdout(sys.stderr):
            entry = _ask(check.name, partial(_plugin_check, check), console)
        yield entry


def _plugin_check(check: PluginCheck, _console: Console) -> Iterator[Finding]:
    return map(Finding, listed(check.run(), str))
