"""``keyun plugins order``: which plugin loads when, why, and what that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from keyun.cli.console import Console, pass_console

if TYPE_CHECKING:
    from keyun.plugins.explain import Winners


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def order(console: Console, as_json: bool) -> None:
    """Explain the order in which plugins load, and who wins where several speak.

    A plugin loads after what it requires and what it comes after; the order of plugins.toml breaks ties.
    What loads later wins.
    """
    from keyun.plugins import state
    from keyun.plugins.explain import places, winners

    site = console.site
    enabled = state.load(console.runtime.config.state_file).enabled
    found = places([p.manifest for p in site.plugins.plugins.values()], enabled)
    wins = winners(site)
    if as_json:
        left_out = {name: list(problems) for name, problems in site.plugins.faults.items()}
        console.json({"order": [asdict(p) for p in found], "left_out": left_out, "winners": asdict(wins)})
        return
    for place in found:
        slot = f" (serves {place.slot})" if place.slot != place.name else ""
        click.echo(f"{place.number}. {place.name}{slot}: {'; '.join(place.because)}")
    for name in site.plugins.faults:
        click.echo(f"-  {name}: not loaded; see `keyun plugins list`")
    _tell(wins)


def _tell(wins: Winners) -> None:
    click.echo("\nWhat loads later wins.")
    _table("Hooks whose first answer counts, in the order of asking:", wins.first_answer, " > ")
    _table("Hooks that ask everybody, in load order:", wins.everybody, ", ")
    _table("Templates that several ship, the one in use first:", wins.templates, " > ")
    click.echo(f"Translations, the strongest first: {' > '.join(wins.translations)}")


def _table(title: str, rows: Mapping[str, tuple[str, ...]], between: str) -> None:
    click.echo(title)
    for name, plugins in rows.items():
        click.echo(f"  {name:<28} {between.join(plugins)}")
    if not rows:
        click.echo("  none")
