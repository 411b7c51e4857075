"""``keyun bridge``: what this node is and what it declares shareable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import click

from keyun.access import system
from keyun.cli.console import Console, pass_console
from keyun_bayu_bridge.services import node


def commands() -> Iterable[click.Command]:
    """The commands of the group."""
    return (status,)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def status(console: Console, as_json: bool) -> None:
    """Show who runs this node and how many published items declare themselves shareable.

    Exchange between nodes is not built yet: nothing is sent and nothing is fetched.
    """
    with console.site.reading() as unit:
        found = node(system(), unit)
    if as_json:
        console.json(asdict(found))
        return
    click.echo(f"title     {found.title} / {found.title_en}\noperator  {found.operator or '-'}")
    click.echo(f"region    {found.region} {found.region_name}\nversion   {found.version}")
    click.echo("exchange  not built yet; nothing is sent")
    if found.types:
        click.echo(f"\n{'type':<24}{'local':>8}{'region':>8}{'federation':>12}{'public':>8}")
    for t in found.types:
        click.echo(f"{t.type:<24}{t.local:>8}{t.region:>8}{t.federation:>12}{t.public:>8}  {t.title}")
