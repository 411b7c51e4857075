"""``keyun regions``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from keyun.cli.console import Console, Group, pass_console


@click.group(cls=Group)
def regions() -> None:
    """Inspect and import administrative divisions."""


@regions.command()
@click.argument("code")
@click.option("--on", type=click.DateTime(["%Y-%m-%d"]), help="The day the code is meant for; default today.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def show(console: Console, code: str, on: dt.datetime | None, as_json: bool) -> None:
    """Say what CODE means; a retired code resolves to its successor and says so."""
    site = console.site
    tree = site.regions
    # An unknown code is an error; only a known one that is gone leads on to another.
    asked = tree.get(code)
    day = on.date() if on else site.runtime.clock().astimezone(site.timezone).date()
    found = tree.resolve(asked.code, day)
    path = [{"code": p.code, "name": p.name, "level": p.level} for p in tree.path(found.place.code)]
    below = [{"code": p.code, "name": p.name} for p in tree.children(found.place.code)]
    if as_json:
        note = found.note or None
        console.json(
            {
                "asked": code,
                "on": day,
                "code": found.place.code,
                "note": note,
                "path": path,
                "children": below,
            }
        )
        return
    if found.note:
        click.echo(found.note)
    click.echo(f"{found.place.code}  {tree.name(found.place.code)}  {found.place.level}")
    click.echo("path: " + " > ".join(f"{p['name']} {p['code']}" for p in path))
    for child in below:
        click.echo(f"  {child['code']}  {child['name']}")


@regions.command("list")
@click.option(
    "--below", metavar="CODE", default="100000", show_default=True, help="List it and what lies below."
)
@pass_console
def list_(console: Console, below: str) -> None:
    """List living divisions at or below a code."""
    tree = console.site.regions
    for place in tree.below(tree.get(below).code):
        click.echo(f"{place.code}  {place.level:<8} {place.name}")


@regions.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_console
def import_(console: Console, file: Path) -> None:
    """Import a table code,name,level,parent,pinyin,kind[,valid_from,valid_to,successor] (UTF-8 CSV).

    A bad line stops the import and nothing is written. A running server shows the new names when its
    processes are replaced.
    """
    from keyun.regions import load_file

    with console.site.writing() as unit:
        count = load_file(unit.session, file)
    console.runtime.forget("regions")
    click.echo(f"{count} divisions imported, {len(console.site.regions)} in all")
