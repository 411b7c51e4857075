"""What every command stands on: the instance folder, and on demand the runtime and the site."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keyun.errors import ConfigError, KeyunError

if TYPE_CHECKING:
    from keyun.migrate import Migrator
    from keyun.plugins.manifest import Installation, Manifest
    from keyun.runtime import Runtime
    from keyun.site import Site


__all__ = ["Console", "Group", "pass_console"]

#: Any of these in a folder says that somebody set it up.
INSTANCE_FILES = ("keyun.toml", "secret.key", "plugins.toml", "keyun.db")


class Console:
    """Opened lazily, so that ``keyun --help`` reads nothing."""

    def __init__(self, instance: Path) -> None:
        self.instance = instance
        self._close: list[Runtime] = []

    @cached_property
    def runtime(self) -> Runtime:
        """The runtime of the instance folder."""
        from keyun.runtime import Runtime

        runtime = Runtime.open(self.instance)
        self._close.append(runtime)
        return runtime

    @cached_property
    def installation(self) -> Installation:
        """What is installed."""
        from keyun.plugins.manifest import Installation

        return Installation.scan()

    @cached_property
    def site(self) -> Site:
        """The site with its enabled plugins; core alone in safe mode."""
        from keyun.site import Site

        self.require_set_up()
        safe = os.environ.get("KEYUN_SAFE_MODE") == "1"
        return Site.open(self.runtime, enabled=() if safe else None, installation=self.installation)

    def require_set_up(self) -> None:
        """Stop with one sentence where ``keyun init`` has never run; looking creates nothing.

        :raises ConfigError: naming the folder and the command.
        """
        if not any((self.instance / name).exists() for name in INSTANCE_FILES):
            raise ConfigError(f"{self.instance} is not set up yet; run `keyun init`")

    @property
    def migrator(self) -> Migrator:
        """The migrations of this database."""
        from keyun.migrate import Migrator

        return Migrator(self.runtime.engine, self.installation.manifests)

    def close(self) -> None:
        """Give back connections."""
        for runtime in self._close:
            runtime.close()

    def progress(self, text: str) -> None:
        """Say something on standard error, so that standard output stays for results."""
        click.echo(text, err=True)

    def json(self, value: Any) -> None:
        """Print ``value`` as JSON for programs."""
        click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


class Group(click.Group):
    """A command group whose errors are sentences, not tracebacks: exit 1 refused, 2 wrong usage."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyunError as e:
            click.echo(f"keyun: {e}", err=True)
            sys.exit(1)


def chosen_plugins(console: Console) -> Sequence[str]:
    """The plugins that this instance has enabled; before ``keyun init``, those that it would enable."""
    from keyun.plugins import state

    if os.environ.get("KEYUN_SAFE_MODE") == "1":
        return ()
    path = console.instance / "plugins.toml"
    return state.load(path).enabled if path.is_file() else [m.name for m in bundled(console, usable=True)]


def bundled(console: Console, *, usable: bool) -> list[Manifest]:
    """The plugins of our own distribution whose extra is there (or is not)."""
    return [
        m
        for _, m in sorted(console.installation.manifests.items())
        if m.default
        and str(getattr(m.entry_point.dist, "name", "")).lower() == "keyun"
        and bool(m.missing_modules()) is not usable
    ]


pass_console = click.make_pass_decorator(Console)
