"""What the code has: the bundled plugins, their commands, and a site that they all serve."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import click

from keyun import config as settings
from keyun.cli import COMMANDS, cli
from keyun.plugins import Plugin
from keyun.plugins.manager import Installation, PluginManager
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.testing.databases import Databases
from keyun.testing.instances import write_instance

ROOT = Path(__file__).resolve().parents[2]


def bundled() -> list[Plugin]:
    """The plugins of this repository, loaded without an instance.

    :raises PluginError: when one cannot be loaded, naming what is missing.
    """
    found = Installation.scan()
    names = [n for n, m in found.manifests.items() if getattr(m.entry_point.dist, "name", "") == "keyun"]
    manager = PluginManager.load(names, {}, found)
    manager.raise_faults()
    return sorted(manager.plugins.values(), key=lambda p: p.manifest.group)


def command_tree(plugins: Sequence[Plugin]) -> click.Group:
    """``keyun`` with every core command and the groups of ``plugins``."""
    tree = click.Group("keyun", params=cli.params, help=cli.help)
    for name, (module, attribute, _) in COMMANDS.items():
        tree.add_command(getattr(import_module(module), attribute), name)
    for plugin in plugins:
        commands = {c.name or "": c for c in getattr(plugin, "keyun_commands", tuple)()}
        if commands:
            text = f"Commands of the plugin `{plugin.name}`, there while it is enabled."
            tree.add_command(click.Group(plugin.manifest.group, commands=commands, help=text))
    return tree


@contextlib.contextmanager
def open_site(plugins: Sequence[Plugin]) -> Iterator[Site]:
    """A throw-away site with ``plugins``."""
    names = [p.name for p in plugins]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "instance"
        databases = Databases(Path(folder))
        url = databases.copy("sqlite", names, home)
        runtime = Runtime(settings.load(write_instance(home, url, names, {}), {}))
        try:
            yield Site.open(runtime)
        finally:
            runtime.close()
            databases.close()
