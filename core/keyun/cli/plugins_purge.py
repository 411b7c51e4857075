"""``keyun plugins purge``: remove the data of a disabled plugin, after an export of all of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keyun.cli.console import Console, pass_console
from keyun.errors import Invalid, PluginError
from keyun.plugins import state
from keyun.serving import record

if TYPE_CHECKING:
    from keyun.plugins.purge import Belongings


@click.command()
@click.argument("name")
@click.option(
    "--export-to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that gets a folder with the export; INSTANCE/purged when left out.",
)
@click.option("--yes", is_flag=True, help="Do not ask for the name.")
@pass_console
def purge(console: Console, name: str, export_to: Path | None, yes: bool) -> None:
    """Remove all data of the disabled plugin NAME. Everything is exported first; then it is gone.

    Its tables, items, jobs, files and what it keeps at items of others go. Items of a slot that
    another plugin can serve stay. Events and the settings in keyun.toml stay too. A purge that was
    interrupted is run again.
    """
    from keyun.access import system
    from keyun.plugins.purge import export, remove

    console.require_set_up()
    owned = _look(console, name)
    folders = _folders(console, name)
    if owned.empty and not folders:
        # Also of a purge that was killed just before its end, and of a plugin that was uninstalled.
        remove(console.migrator, owned)
        _follow(console)
        click.echo(f"nothing of {name} is left here")
        return
    _tell(owned, folders)
    target = export_to or console.instance / "purged"
    if inside := [f for f in folders if target.resolve().is_relative_to(f.resolve())]:
        raise Invalid(f"{inside[0]} is removed itself; nothing was removed, name another --export-to")
    place = export(console.runtime.engine, owned, target, console.runtime.clock())
    click.echo(f"exported to {place}")
    if not yes and click.prompt(f"Type {name} to remove all this for good") != name:
        raise Invalid(f"nothing was removed; the export stays in {place}")
    with state.locked(console.runtime.config.state_file):
        if _look(console, name) != owned:
            raise Invalid(f"{name} changed since the export; nothing was removed, run the command again")
        remove(console.migrator, owned, console.progress)
        for folder in folders:
            shutil.rmtree(folder)
        with console.site.writing() as unit:
            unit.record("plugin.purged", "plugin", 0, system(), plugin=owned.name, records=dict(owned.counts))
    _follow(console)
    click.echo(f"{name} is purged; its code can go too: pip uninstall")


def _look(console: Console, name: str) -> Belongings:
    """What belongs to the plugin.

    :raises PluginError: when it cannot be purged.
    """
    from keyun.plugins.purge import belongings, refusals

    enabled = state.load(console.runtime.config.state_file).enabled
    manifests = console.installation.manifests
    if problems := refusals(name, enabled, manifests, console.migrator):
        raise PluginError(problems)
    server = record.read(console.instance)
    if server is not None and name in server.plugins:
        again = "try again in a moment, or see `keyun plugins list` for what it waits for"
        raise PluginError([f"{name} is still served by the running server; {again}"])
    return belongings(console.runtime.engine, name, enabled, manifests)


def _folders(console: Console, name: str) -> list[Path]:
    """The folders of the instance that the plugin declares and that are there."""
    manifest = console.installation.manifests.get(name)
    declared = [console.instance / f for f in (manifest.files if manifest else ())]
    return [f for f in declared if f.is_dir() and not f.is_symlink()]


def _tell(owned: Belongings, folders: list[Path]) -> None:
    click.echo(f"{owned.name} has here:")
    for name, count in owned.counts.items():
        click.echo(f"  {name:<28} {count:,}")
    for folder in folders:
        click.echo(f"  {folder}/")
    if owned.heirs:
        click.echo(f"The items stay: {', '.join(owned.heirs)} can serve {owned.slot}.")
    click.echo("Events and settings in keyun.toml stay.")


def _follow(console: Console) -> None:
    """Take what was removed out of the search index."""
    from keyun.search import IndexBusy

    try:
        console.site.jobs["core.search"].run(console.site)
    except IndexBusy:
        console.progress("a worker has the search index in hand; if `keyun doctor` complains, rebuild it")
