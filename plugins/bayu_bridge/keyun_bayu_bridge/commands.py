"""``keyun bridge``."""

from __future__ import annotations

from dataclasses import asdict

import click

from keyun.cli.console import Console, pass_console
from keyun_bayu_bridge.services import node


@click.command()
@click.option("--json", "as_json", is_flag=True)
@pass_console
def status(console: Console, as_json: bool) -> None:
    """Show this node and what is declared shareable. Exchange between nodes is not built yet."""
    with console.site.reading() as unit:
        found = node(unit)
    if as_json:
        console.json(asdict(found))
        return
    click.echo(f"{found.title}  {found.operator or '-'}  {found.region}")
    for name, shares in found.shares.items():
        click.echo(f"{name:<24} " + "  ".join(f"{k} {v}" for k, v in shares.items()))
