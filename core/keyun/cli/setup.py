"""``keyun init`` and ``keyun demo``: from an empty folder to a site."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import click

from keyun.cli.console import Console, bundled, pass_console
from keyun.cli.plugins import upgrade
from keyun.config import FILE
from keyun.plugins import state
from keyun.plugins.order import lineages

TEMPLATE = """\
# Configuration of this instance. Every key may be left out; docs/operate/configuration.md explains each.
# The environment wins: KEYUN_DATABASE_URL, KEYUN_SITE__TITLE, KEYUN_WEB__PORT, KEYUN_PLUGIN_<SLOT>__<KEY>.
# database_url = "postgresql://keyun@localhost/keyun"

[site]
title = "科云"
title_en = "Keyun"
operator = ""        # name of the association, shown in the footer
icp = ""             # ICP 备案号
police = ""          # 公安备案号
region = "510000"    # the region this cloud serves

# Which texts wait for a reviewer before the public sees them; the last matching rule counts.
# [[content.review]]
# type = "marketplace.need"
# region = "510000"
# policy = "review-first"
"""


@click.command()
@pass_console
def init(console: Console) -> None:
    """Set the instance up: folder, key, configuration, tables, regions, plugins. Repeatable."""
    folder = console.instance
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE).exists():
        (folder / FILE).write_text(TEMPLATE, encoding="utf-8")
    make_secret(folder / "secret.key")
    upgrade(console.migrator, ())
    count = _load_regions(console)
    enabled, left_out = _enable_bundled(console)
    upgrade(console.migrator, lineages(enabled, console.installation.manifests))
    click.echo(f"{folder}: ready, {count} regions, plugins: {', '.join(enabled) or 'none'}")
    for line in left_out:
        click.echo(f"left out: {line}")


def make_secret(path: Path) -> None:
    """Write the key that signs log-ins, readable by the owner only; an existing key stays."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(fd, "wb") as f:
        f.write(secrets.token_bytes(32))


def _load_regions(console: Console) -> int:
    import sqlalchemy as sa

    from keyun.regions import Region, load_bundled

    with console.runtime.sessions.begin() as session:
        known = session.scalar(sa.select(sa.func.count()).select_from(Region)) or 0
        return known or load_bundled(session)


def _enable_bundled(console: Console) -> tuple[Sequence[str], list[str]]:
    """Enable every bundled plugin whose extra is there; an instance that has chosen keeps its choice."""
    path = console.runtime.config.state_file
    with state.locked(path):
        if path.exists():
            return state.load(path).enabled, []
        left_out = [
            f"{m.name} needs {', '.join(m.missing_modules())}; run "
            f"`pip install 'keyun[{m.extra or m.name}]'` and `keyun plugins enable {m.name}`"
            for m in bundled(console, usable=False)
        ]
        usable = [m.name for m in bundled(console, usable=True)]
        return state.save(path, usable).enabled, left_out


@click.command()
@click.option("--yes", is_flag=True, help="Also on an instance that has real accounts.")
@pass_console
def demo(console: Console, yes: bool) -> None:
    """Load the demonstration records of the core and of every enabled plugin; repeatable.

    Every record is written for Keyun and says that it is demo data. Accounts: demo001 … with the
    password `demo-keyun`, and admin with the same password.
    """
    from keyun.cli.demo import load

    load(console, yes)
