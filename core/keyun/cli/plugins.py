"""``keyun plugins``: the set of plugins of this instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from keyun.cli.console import Console, Group, pass_console
from keyun.cli.plugins_adopt import adopt, take_over
from keyun.cli.plugins_new import check, new
from keyun.cli.plugins_order import order
from keyun.cli.plugins_purge import purge
from keyun.errors import KeyunError, PluginError
from keyun.hookspecs import API_VERSION
from keyun.plugins import state
from keyun.plugins.budget import Budget
from keyun.plugins.order import lineages, plan
from keyun.serving import candidate, record
from keyun.serving.record import ServerRecord

if TYPE_CHECKING:
    from keyun.migrate import Migrator
    from keyun.plugins.survey import Row


@click.group(cls=Group)
def plugins() -> None:
    """Enable, disable and inspect plugins."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--strict", is_flag=True, help="Exit 1 while an enabled plugin is not active.")
@pass_console
def list_(console: Console, as_json: bool, strict: bool) -> None:
    """List every plugin with its state; problems name the command that repairs them."""
    from keyun.plugins.survey import survey

    server = record.read(console.instance)
    _tell_refusal(console, server)
    rows = [_as_served(row, server) for row in survey(console.site)]
    if as_json:
        console.json([asdict(r) for r in rows])
    else:
        slow = _slow(console)
        for r in rows:
            click.echo(f"{r.name:<16} {r.state:<18} {r.version:<10} {r.title}")
            for problem in [*r.problems, *slow.get(r.name, ())]:
                click.echo(f"{'':<16} ! {problem}")
    if strict and console.site.plugins.faults:
        raise SystemExit(1)


def _slow(console: Console) -> Mapping[str, Sequence[str]]:
    """What hooks took too long, by plugin."""
    found: dict[str, list[str]] = {}
    for slow in console.site.plugins.budget.slow():
        found.setdefault(slow.plugin, []).append(slow.says())
    return found


def _tell_refusal(console: Console, server: ServerRecord | None) -> None:
    """Say on standard error which change the running server did not take, and why."""
    if server is None or server.refused is None:
        return
    console.progress(
        f"the running server keeps generation {server.generation}; "
        f"since {server.refused.at} it refuses generation {server.refused.generation}:"
    )
    for reason in server.refused.reasons:
        console.progress(f"  - {reason}")


def _as_served(row: Row, server: ServerRecord | None) -> Row:
    """Add what the running server holds against a plugin that it does not have as it is installed now."""
    if server is None:
        return row
    refused = server.refused.plugins.get(row.name, ()) if server.refused is not None else ()
    out = server.faults.get(row.name, ()) if row.state == "active" else ()
    again = f"`keyun plugins enable {row.name}` lets it try again"
    more = [f"the running server keeps what it has: {problem}" for problem in refused]
    more += [f"the running server left it out ({problem}); {again}" for problem in out]
    return replace(row, problems=[*row.problems, *more])


@plugins.command()
@click.argument("name")
@pass_console
def show(console: Console, name: str) -> None:
    """Show what is known about the plugin NAME without importing it."""
    from keyun.plugins.survey import survey

    rows = {r.name: r for r in survey(console.site)}
    if name not in rows:
        raise PluginError([f"no plugin {name!r}; see `keyun plugins list`"])
    row, manifest = rows[name], console.installation.manifests.get(name)
    click.echo(f"name      {row.name}\ntitle     {row.title}\nstate     {row.state}\nslot      {row.slot}")
    if manifest:
        click.echo(f"version   {manifest.version}\napi       {manifest.api}\nsummary   {manifest.summary}")
        click.echo(
            f"requires  {', '.join(manifest.requires) or '-'}\nafter     {', '.join(manifest.after) or '-'}"
        )
    for problem in [*row.problems, *_slow(console).get(name, ())]:
        click.echo(f"problem   {problem}")


@plugins.command()
@click.argument("name")
@pass_console
def clear(console: Console, name: str) -> None:
    """Let the hooks of NAME be called again that were suspended because they were too slow."""
    console.require_set_up()
    config = console.runtime.config
    enabled = state.load(config.state_file).enabled
    if name not in console.installation.manifests and name not in enabled:
        raise PluginError([f"no plugin {name!r}; see `keyun plugins list`"])
    # Not through the site: the plugin need not be imported for this.
    freed = Budget(config.plugins["hook_budget_ms"], config.suspended_file).clear(name)
    click.echo(f"{name}: {', '.join(freed)} runs again" if freed else f"{name}: nothing was suspended")


@plugins.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--instead", is_flag=True, help="Disable what serves the same slots now, in the same step.")
@pass_console
def enable(console: Console, names: tuple[str, ...], instead: bool) -> None:
    """Enable NAMES and bring their tables up to date; a running server takes them on within seconds."""
    console.require_set_up()
    with state.locked(console.runtime.config.state_file):
        before = state.load(console.runtime.config.state_file).enabled
        kept = _left_in_place(console, before, names) if instead else before
        wanted = [*kept, *(n for n in names if n not in kept)]
        _refuse_problems(console, wanted, names)
        upgrade(console.migrator, lineages(names, console.installation.manifests))
        # A fresh process builds what the server would run: this one may have imported older code.
        if broken := candidate.refusals(console.instance, before, wanted, names):
            console.progress(f"the tables of {', '.join(names)} are up to date; nothing was enabled")
            raise PluginError(broken)
        if tuple(wanted) != before:
            take_over(console, wanted, [n for n in names if n not in before])
            state.save(console.runtime.config.state_file, wanted)
        elif (server := record.read(console.instance)) and set(names) - set(server.plugins):
            record.nudge(console.instance)
    for name in names:
        word = (
            "is already enabled" if name in before else "enabled; a running server takes it on within seconds"
        )
        click.echo(f"{name} {word}")
    for name in before:
        if name not in wanted:
            click.echo(f"{name} disabled, its data is kept")


def _left_in_place(console: Console, before: Sequence[str], names: Sequence[str]) -> list[str]:
    """What stays of ``before`` when ``names`` take the slots they serve."""
    manifests = console.installation.manifests
    taken = {manifests[n].slot for n in names if n in manifests}
    return [n for n in before if n in names or n not in manifests or manifests[n].slot not in taken]


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
            if broken := candidate.refusals(console.instance, before, left, ()):
                raise PluginError(broken)
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
    from keyun.migrate import CORE

    before = {s.name: s.current for s in migrator.status()}
    for name in [CORE, *(n for n in names if n in migrator.versions)]:
        try:
            migrator.upgrade(name)
        except KeyunError:
            raise
        except (Exception, SystemExit) as e:
            raise PluginError(
                [f"{name}: its migration failed ({type(e).__name__}: {e}); nothing was changed"]
            ) from e
    return [s.name for s in migrator.status() if s.current != before.get(s.name)]


plugins.add_command(adopt)
plugins.add_command(order)
plugins.add_command(purge)
plugins.add_command(new)
plugins.add_command(check)
