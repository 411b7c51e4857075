"""``keyun regions``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from keyun.cli.console import Console, Group, pass_console
from keyun.regions import load_file


@click.group(cls=Group)
def regions() -> None:
    """Inspect and import administrative divisions."""


@regions.command()
@click.argument("code")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="The day the code is meant for; default today.")
@pass_console
def show(console: Console, code: str, on: dt.datetime | None) -> None:
    """Say what CODE means; a retired code resolves to its successor and says so."""
    tree = console.site.regions
    found = tree.resolve(code, on.date() if on else dt.date.today())
    if found.note:
        click.echo(found.note)
    click.echo(f"{found.place.code}  {tree.name(found.place.code)}  {found.place.level}")
    for child in tree.children(found.place.code):
        click.echo(f"  {child.code}  {child.name}")


@regions.command("list")
@click.option("--below", default="100000", show_default=True, help="A code; its subtree is listed.")
@pass_console
def list_(console: Console, below: str) -> None:
    """List living divisions at or below a code."""
    for place in console.site.regions.below(below):
        click.echo(f"{place.code}  {place.level:<8} {place.name}")


@regions.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_console
def import_(console: Console, file: Path) -> None:
    """Import a table code,name,level,parent,pinyin,kind,valid_from,valid_to,successor.

    A running server shows the new names when its processes are replaced.
    """
    with console.site.writing() as unit:
        count = load_file(unit.session, file)
    click.echo(f"{count} divisions imported")
