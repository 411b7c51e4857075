"""``keyun notices reach`` and ``keyun notices population``."""

from __future__ import annotations

from dataclasses import asdict

import click

from keyun.access import system
from keyun.cli.console import Console, Group, pass_console
from keyun_notices.reach import importers, services
from keyun_notices.reach.population import residents
from keyun_notices.reach.values import Channel, Figure, Reach


@click.command()
@click.argument("notice")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def reach(console: Console, notice: str, as_json: bool) -> None:
    """Show how many NOTICE (its id) reached: accounts, contacts, relays and estimates, never one number."""
    with console.site.reading() as unit:
        found = services.reach(system(), unit, services.find(system(), unit, notice))
    if as_json:
        console.json(asdict(found))
        return
    for line in lines(found):
        click.echo(line)


def lines(found: Reach) -> list[str]:
    """``found`` as people read it."""
    living = found.residents
    known = f"{living.people:,} on {living.on} ({living.source})" if living else "unknown"
    a, c, r = found.accounts, found.contacts, found.relays
    erased = f", {a.erased} erased since" if a.erased else ""
    forgotten = f", {c.erased} forgotten since" if c.erased else ""
    return [
        f"residents           {known}",
        f"accounts addressed  {_figure(a.addressed)}{erased}",
        *(f"  {_channel(x)}" for x in a.channels),
        f"  shown             {_figure(a.shown)}",
        f"  opened            {_figure(a.opened)}",
        f"  confirmed         {_figure(a.confirmed)}",
        f"contacts addressed  {_figure(c.addressed)}{forgotten}",
        *(f"  {_channel(x)}" for x in c.channels),
        f"  confirmed         {_figure(c.confirmed)}",
        f"relays asked        {r.asked}",
        f"  told              {r.told}",
        f"  confirmed         {r.confirmed}",
        f"estimated by relays {_figure(found.estimated.people)} (a guess, some may be counted twice)",
        *(f"  {p.name} {_figure(p.estimated)} by {p.relays} relay(s)" for p in found.estimated.places),
    ]


def _figure(one: Figure) -> str:
    share = f"{one.share:.2%} of residents" if one.share is not None else "share unknown"
    return f"{one.people:,} ({share})"


def _channel(one: Channel) -> str:
    return (
        f"by {one.name:<14} handed over {_figure(one.handed_over)}, delivered {one.delivered.people:,}, "
        f"failed {one.failed:,}, waiting {one.waiting:,}"
    )


@click.group(cls=Group)
def population() -> None:
    """How many people live where. Import figures with `keyun import population FILE`."""


@population.command("load")
@pass_console
def load_(console: Console) -> None:
    """Load the figures that ship with the plugin: Sichuan by prefecture, census of 2020, rounded."""
    with console.site.writing() as unit:
        count = importers.load_bundled(system(), unit)
    click.echo(f"{count} figures")


@population.command()
@click.argument("region")
@pass_console
def show(console: Console, region: str) -> None:
    """Show the residents of REGION, a six-digit code."""
    with console.site.reading() as unit:
        found = residents(unit, unit.site.regions.get(region).code)
    click.echo(f"{found.people:,} on {found.on} ({found.source})" if found else "unknown")
