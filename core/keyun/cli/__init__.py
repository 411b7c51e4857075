"""The ``keyun`` command: one group for each area, each read only when it is asked for."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from keyun.cli.console import Console, Group

#: Command name to the module and attribute that hold it; nothing is imported for ``--help``.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "db": ("keyun.cli.db", "db", "Migrate and inspect the database."),
    "demo": ("keyun.cli.setup", "demo", "Load the demonstration records of every enabled plugin."),
    "doctor": ("keyun.cli.doctor", "doctor", "Look at everything and name what needs repair."),
    "export": ("keyun.cli.exchange", "export", "Export records to CSV, XLSX or JSONL."),
    "files": ("keyun.cli.files", "files", "Verify pictures and documents of content."),
    "import": ("keyun.cli.exchange", "import_", "Import records from CSV, XLSX or JSONL."),
    "index": ("keyun.cli.search", "index", "Rebuild or verify the search index."),
    "init": ("keyun.cli.setup", "init", "Set an instance up; run it again at any time."),
    "jobs": ("keyun.cli.jobs", "jobs", "Look at background jobs."),
    "plugins": ("keyun.cli.plugins", "plugins", "Enable, disable and inspect plugins."),
    "regions": ("keyun.cli.regions", "regions", "Inspect and import administrative divisions."),
    "search": ("keyun.cli.search", "search", "Search what is published."),
    "serve": ("keyun.cli.serve", "serve", "Run the web server and one background worker."),
    "sites": ("keyun.cli.sites", "sites", "Open, change and remove sub-sites."),
    "users": ("keyun.cli.users", "users", "Add, verify and authorize users."),
    "worker": ("keyun.cli.serve", "worker", "Run a further background worker."),
}


class Lazy(Group):
    """The top group: core commands by name, plugin groups by their manifests."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS.keys() | _plugin_groups(ctx).keys())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module, attribute, _ = COMMANDS[cmd_name]
            command: click.Command = getattr(import_module(module), attribute)
            return command
        slot = _plugin_groups(ctx).get(cmd_name)
        return _plugin_group(ctx, cmd_name, slot[0]) if slot else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(n, text) for n, (_, _, text) in sorted(COMMANDS.items())])
        if groups := _plugin_groups(ctx):
            with formatter.section("Enabled plugins"):
                formatter.write_dl([(n, title) for n, (_, title) in sorted(groups.items())])


def _console(ctx: click.Context) -> Console:
    """The console of this call. Click resolves commands, and prints help, before it calls the group."""
    if ctx.obj is None:
        instance = ctx.params.get("instance") or os.environ.get("KEYUN_INSTANCE") or "instance"
        ctx.obj = Console(Path(instance))
        ctx.call_on_close(ctx.obj.close)
    found: Console = ctx.obj
    return found


def _plugin_groups(ctx: click.Context) -> dict[str, tuple[str, str]]:
    """Command group to (plugin name, title) for the enabled plugins; reads manifests only."""
    from keyun.cli.console import chosen_plugins

    console = _console(ctx)
    manifests = console.installation.manifests
    return {manifests[n].group: (n, manifests[n].title) for n in chosen_plugins(console) if n in manifests}


def _plugin_group(ctx: click.Context, group: str, name: str) -> click.Command:
    """Load the plugins, but no database: a command that needs one opens it itself."""
    from keyun import config
    from keyun.cli.console import chosen_plugins
    from keyun.plugins.manager import PluginManager

    console = _console(ctx)
    settings = config.load(console.instance).plugin
    manager = PluginManager.load(chosen_plugins(console), settings, console.installation)
    for plugin in manager.plugins.values():
        if plugin.name == name:
            commands = {c.name or "": c for c in manager.commands(plugin)}
            summary = plugin.manifest.summary or plugin.manifest.title
            return PluginGroup(group, commands=commands, help=summary, plugin=name)
    raise click.ClickException(f"{name} is enabled but not loaded: {'; '.join(manager.faults[name])}")


class PluginGroup(Group):
    """The commands of one plugin; an unexpected failure names it."""

    def __init__(self, *arguments: Any, plugin: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.plugin = plugin

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        # A stranger's command may fail in any way.
        except Exception as e:
            traceback.print_exc()
            text = f"keyun: plugin {self.plugin} failed in this command ({type(e).__name__}: {e}); see above"
            click.echo(text, err=True)
            sys.exit(1)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--instance",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("instance"),
    envvar="KEYUN_INSTANCE",
    show_default=True,
    show_envvar=True,
    help="Folder that holds configuration, database and indexes.",
)
@click.version_option(package_name="keyun")
@click.pass_context
def cli(ctx: click.Context, instance: Path) -> None:
    """科云 Keyun: a science-and-technology cloud that an association hosts itself."""
    _console(ctx)


def main(arguments: list[str] | None = None) -> Any:
    """Entry point of the console script; an expected error is one sentence and exit code 1."""
    from keyun.errors import KeyunError

    try:
        return cli(arguments, prog_name="keyun")
    except KeyunError as e:
        click.echo(f"keyun: {e}", err=True)
        sys.exit(1)


__all__ = ["cli", "main"]
