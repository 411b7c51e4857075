"""``keyun db``: the schema of the core and of each plugin."""

from __future__ import annotations

import click

from keyun.cli.console import Console, Group, pass_console
from keyun.cli.plugins import upgrade as upgrade_lineages
from keyun.cli.plugins_adopt import take_over
from keyun.errors import KeyunError, PluginError
from keyun.plugins import state
from keyun.plugins.order import lineages
from keyun.serving import record


@click.group(cls=Group)
def db() -> None:
    """Migrate and inspect the database."""


@db.command()
@pass_console
def upgrade(console: Console) -> None:
    """Upgrade the core, every enabled plugin, and every disabled one that holds data.

    A plugin whose migration fails stays as it was and pending; the others go on. Exit 1 then.
    """
    console.require_set_up()
    migrator = console.migrator
    moved = upgrade_lineages(migrator, [])
    failed: list[str] = []
    enabled = state.load(console.runtime.config.state_file).enabled
    needed = lineages(enabled, console.installation.manifests)
    holding = [s.name for s in migrator.status() if s.current and s.name not in needed]
    for name in (n for n in [*needed, *holding] if n in migrator.versions):
        try:
            moved += upgrade_lineages(migrator, [name])
        except PluginError as e:
            failed += e.problems
        except KeyunError as e:
            failed.append(str(e))
    take_over(console, enabled, enabled)
    if moved:
        record.nudge(console.instance)
    if moved or not failed:
        click.echo(f"upgraded: {', '.join(moved)}" if moved else "everything is up to date")
    if failed:
        raise PluginError(failed)


@db.command()
@pass_console
def status(console: Console) -> None:
    """Show where every lineage stands."""
    console.require_set_up()
    for s in console.migrator.status():
        click.echo(f"{s.name:<16} {s.state:<9} {s.current or '-'} -> {s.head or '-'}")


@db.command()
@click.argument("lineage")
@click.argument("target")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_console
def downgrade(console: Console, lineage: str, target: str, yes: bool) -> None:
    """Take LINEAGE back to TARGET (a revision, or base). Data of newer columns is lost."""
    console.require_set_up()
    if not yes:
        click.confirm(f"Take {lineage} back to {target}? Data of newer columns is lost", abort=True)
    console.migrator.downgrade(lineage, target)
    click.echo(f"{lineage} is at {target}")
