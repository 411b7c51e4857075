"""``keyun plugins adopt``: take over the items of a slot that another plugin wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from keyun.cli.console import Console, pass_console
from keyun.errors import PluginError

if TYPE_CHECKING:
    from keyun.content.adoption import Adopted

#: So many refused items are named on the screen; all of them with --json.
SHOWN = 20


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the result, with every refused item, as JSON.")
@pass_console
def adopt(console: Console, name: str, as_json: bool) -> None:
    """Give items of the slot that NAME serves the rows they lack in its tables.

    `enable` and `db upgrade` do this by themselves. Run it again after items that were refused have
    been repaired; doing it twice changes nothing. Exit 1 while items are refused: they stay stored.
    """
    from keyun.access import system
    from keyun.content.adoption import adopt_all

    loaded = [p.name for p in console.site.plugins.plugins.values()]
    if name not in loaded:
        raise PluginError([f"{name} is not active; run `keyun plugins enable {name}`"])
    done = adopt_all(console.site, system(), plugin=name, anew=True, progress=console.progress)
    if as_json:
        console.json({"name": name, **asdict(done)})
    else:
        click.echo(f"{name}: {done.added:,} items taken over, {done.updated:,} brought up to date")
        tell_refused(console, name, done)
    if done.refused:
        raise SystemExit(1)


def take_over(console: Console, enabled: Sequence[str], names: Sequence[str]) -> None:
    """Let the plugins ``names`` of the set ``enabled`` take over what others of their slots wrote."""
    from keyun.access import system
    from keyun.content.adoption import adopt_all
    from keyun.site import Site

    names = [n for n in names if _has_items(console, n)]
    if not names or os.environ.get("KEYUN_SAFE_MODE") == "1":
        return
    site = Site.open(console.runtime, enabled, console.installation)
    for name in names:
        done: Adopted = adopt_all(site, system(), plugin=name, progress=console.progress)
        if done.count:
            console.progress(f"{name}: {done.added:,} items taken over, {done.updated:,} brought up to date")
        tell_refused(console, name, done)


def _has_items(console: Console, name: str) -> bool:
    """Whether the slot of ``name`` has items; to see that it has none, no plugin need be imported."""
    import sqlalchemy as sa

    manifest = console.installation.manifests.get(name)
    if manifest is None:
        return False
    of_slot = sa.column("type").startswith(f"{manifest.slot}.", autoescape=True)
    query = sa.select(sa.literal(1)).select_from(sa.table("core_content")).where(of_slot).limit(1)
    with console.runtime.engine.connect() as connection:
        return connection.execute(query).first() is not None


def tell_refused(console: Console, name: str, done: Adopted) -> None:
    """Name the items that could not be taken over, and the way out."""
    if not done.refused:
        return
    console.progress(f"{name}: {len(done.refused):,} items do not fit; they stay stored and are not shown:")
    for public_id, reason in done.refused[:SHOWN]:
        console.progress(f"  {public_id}: {reason}")
    console.progress(f"see all with `keyun plugins adopt {name} --json`")
