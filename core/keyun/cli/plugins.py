"""``keyun plugins``: the set of plugins of this instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click

from keyun.cli.console import Console, Group, pass_console
from keyun.errors import KeyunError, PluginError
from keyun.hookspecs import API_VERSION
from keyun.migrate import CORE, Migrator
from keyun.plugins import state
from keyun.plugins.manager import Installation, PluginManager
from keyun.plugins.order import lineages, plan


@dataclass(frozen=True, slots=True)
class Row:
    """One plugin as the list shows it."""

    name: str
    title: str
    version: str
    state: str
    slot: str
    problems: list[str]


def survey(console: Console) -> list[Row]:
    """Every plugin that is installed, enabled, or has tables here, with its state."""
    loaded = console.site.plugins
    found, migrator = console.installation, console.migrator
    enabled = state.load(console.runtime.config.state_file).enabled
    schema = {s.name: s.state for s in migrator.status() if s.name != CORE}
    names = sorted({*found.manifests, *found.problems, *enabled, *schema})
    return [_row(n, found, enabled, schema.get(n, "none"), loaded) for n in names]


def _row(name: str, found: Installation, enabled: Sequence[str], schema: str, loaded: PluginManager) -> Row:
    manifest = found.manifests.get(name)
    problems = list(loaded.faults.get(name, ()))
    if name in found.problems and not problems:
        problems = [found.problems[name]]
    if manifest is None and name not in found.problems:
        where = "missing" if name in enabled else "orphaned"
        problems = problems or [
            f"{name} has tables here but is not installed; pip install it to reach its data"
        ]
    elif name not in enabled:
        where = "faulted" if name in found.problems else "disabled"
    elif name in loaded.pending:
        where = "pending-migration"
    elif problems:
        where = "faulted"
    else:
        where = "active" if any(p.name == name for p in loaded.plugins.values()) else "disabled"
    title, version = (manifest.title, manifest.version) if manifest else ("", "")
    return Row(name, title, version, where, manifest.slot if manifest else name, problems)


@click.group(cls=Group)
def plugins() -> None:
    """Enable, disable and inspect plugins."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def list_(console: Console, as_json: bool) -> None:
    """List every plugin with its state; problems name the command that repairs them."""
    rows = survey(console)
    if as_json:
        console.json([asdict(r) for r in rows])
        return
    for r in rows:
        click.echo(f"{r.name:<16} {r.state:<18} {r.version:<10} {r.title}")
        for problem in r.problems:
            click.echo(f"{'':<16} ! {problem}")


@plugins.command()
@click.argument("name")
@pass_console
def show(console: Console, name: str) -> None:
    """Show what is known about the plugin NAME without importing it."""
    rows = {r.name: r for r in survey(console)}
    if name not in rows:
        raise PluginError([f"no plugin {name!r}; see `keyun plugins list`"])
    row, manifest = rows[name], console.installation.manifests.get(name)
    click.echo(f"name      {row.name}\ntitle     {row.title}\nstate     {row.state}\nslot      {row.slot}")
    if manifest:
        click.echo(f"version   {manifest.version}\napi       {manifest.api}\nsummary   {manifest.summary}")
        click.echo(
            f"requires  {', '.join(manifest.requires) or '-'}\nafter     {', '.join(manifest.after) or '-'}"
        )
    for problem in row.problems:
        click.echo(f"problem   {problem}")


@plugins.command()
@click.argument("names", nargs=-1, required=True)
@pass_console
def enable(console: Console, names: tuple[str, ...]) -> None:
    """Enable NAMES and bring their tables up to date; a running server takes them on within seconds."""
    console.require_set_up()
    with state.locked(console.runtime.config.state_file):
        before = state.load(console.runtime.config.state_file).enabled
        wanted = [*before, *(n for n in names if n not in before)]
        _refuse_problems(console, wanted, names)
        upgrade(console.migrator, lineages(names, console.installation.manifests))
        trial = PluginManager.load(wanted, console.runtime.config.plugin, console.installation)
        if broken := [p for n in names for p in trial.faults.get(n, ())]:
            raise PluginError(broken)
        if tuple(wanted) != before:
            state.save(console.runtime.config.state_file, wanted)
    for name in names:
        word = (
            "is already enabled" if name in before else "enabled; a running server takes it on within seconds"
        )
        click.echo(f"{name} {word}")


@plugins.command()
@click.argument("names", nargs=-1, required=True)
@pass_console
def disable(console: Console, names: tuple[str, ...]) -> None:
    """Disable NAMES; tables, settings and grants stay. A running server lets go within seconds."""
    manifests = console.installation.manifests
    console.require_set_up()
    with state.locked(console.runtime.config.state_file):
        before = state.load(console.runtime.config.state_file).enabled
        unknown = [n for n in names if n not in before and n not in manifests]
        if unknown:
            raise PluginError([f"no plugin {n!r}; see `keyun plugins list`" for n in unknown])
        left = [n for n in before if n not in names]
        slots = {manifests[n].slot for n in left if n in manifests}
        needed = [
            f"{other} requires {need}; run `keyun plugins disable {other} {need}`"
            for other in left
            if other in manifests
            for need in manifests[other].requires
            if need not in slots and need in {manifests[n].slot for n in names if n in manifests}
        ]
        if needed:
            raise PluginError(needed)
        if tuple(left) != before:
            state.save(console.runtime.config.state_file, left)
    for name in names:
        word = (
            "disabled, its data is kept; a running server lets go within seconds"
            if name in before
            else "is already disabled"
        )
        click.echo(f"{name} {word}")


def _refuse_problems(console: Console, wanted: Sequence[str], names: Sequence[str]) -> None:
    found = console.installation
    chosen = plan(wanted, found.manifests, API_VERSION, found.problems)
    if problems := [p for n in wanted if n in names for p in chosen.problems.get(n, ())]:
        raise PluginError(problems)


def upgrade(migrator: Migrator, names: Sequence[str]) -> list[str]:
    """Bring the core and the lineages of ``names`` to their newest version; returns what moved."""
    before = {s.name: s.current for s in migrator.status()}
    for name in [CORE, *(n for n in names if n in migrator.versions)]:
        try:
            migrator.upgrade(name)
        except KeyunError:
            raise
        except Exception as e:
            raise PluginError(
                [f"{name}: its migration failed ({type(e).__name__}: {e}); nothing was changed"]
            ) from e
    return [s.name for s in migrator.status() if s.current != before.get(s.name)]
