"""``keyun notices relays``: who passes notices on."""

from __future__ import annotations

from typing import Any

import click

from keyun.access import system
from keyun.cli.console import Console, Group, pass_console
from keyun_notices.relays import services
from keyun_notices.relays.models import Relay
from keyun_notices.relays.passing import COMMAND
from keyun_notices.relays.schemas import KIND_CODES

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Group)
def relays() -> None:
    """People and devices that pass notices on."""


@relays.command("list")
@click.option("--region", help="Six-digit code, with all below.")
@click.option("--after", help="The `next` of the page before.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@JSON
@pass_console
def list_(console: Console, region: str | None, after: str | None, limit: int, as_json: bool) -> None:
    """List relays, newest first."""
    with console.site.reading() as unit:
        found = services.relays(system(), unit, region, after, limit)
        rows = [row(r) for r in found.items]
    if as_json:
        console.json({"items": rows, "next": found.next})
        return
    for r in rows:
        closed = "" if r["active"] else "  (closed)"
        click.echo(f"{r['id']}  {r['region']}  {r['kind']:<11} {r['name']}  ~{r['headcount']}{closed}")
    if found.next:
        console.progress(f"more: --after {found.next}")


def row(relay: Relay) -> dict[str, Any]:
    """One relay as plain data."""
    return {
        "id": relay.public_id,
        "kind": relay.kind,
        "name": relay.name,
        "region": relay.region,
        "headcount": relay.headcount,
        "active": relay.active,
    }


@relays.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(KIND_CODES), required=True)
@click.option("--region", required=True, help="Six-digit code.")
@click.option("--headcount", type=click.IntRange(0), default=0, help="About how many people it reaches.")
@click.option("--manager", default="", metavar="LOGIN", help="The account that looks after it.")
@click.option("--webhook", default="", metavar="URL", help="Where a device wants to be told.")
@click.option("--note", default="")
@JSON
@pass_console
def add(
    console: Console,
    name: str,
    kind: str,
    region: str,
    headcount: int,
    manager: str,
    webhook: str,
    note: str,
    as_json: bool,
) -> None:
    """Set up the relay NAME, a post or a device; its key is printed this once."""
    data = {
        "name": name,
        "kind": kind,
        "region": region,
        "headcount": headcount,
        "manager": manager,
        "webhook": webhook,
        "note": note,
    }
    with console.site.writing() as unit:
        made, key = services.add(system(), unit, data)
    _tell(console, made, key, as_json)


@relays.command()
@click.argument("relay")
@JSON
@pass_console
def rotate(console: Console, relay: str, as_json: bool) -> None:
    """Give RELAY, an id of the list, a new key; the old link ends at once."""
    with console.site.writing() as unit:
        found, key = services.rotate(system(), unit, relay)
    _tell(console, found, key, as_json)


@relays.command()
@click.argument("relay")
@pass_console
def close(console: Console, relay: str) -> None:
    """Close RELAY for good; what it said stays."""
    with console.site.writing() as unit:
        services.close(system(), unit, relay)
    click.echo("closed")


@relays.command()
@click.argument("relay")
@click.argument("notice")
@click.option("--headcount", type=click.IntRange(0), required=True, help="About how many people.")
@click.option("--at", "moment", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]), help="Local time.")
@pass_console
def passed(console: Console, relay: str, notice: str, headcount: int, moment: Any) -> None:
    """Confirm that RELAY passed NOTICE (its id) on; what is said last counts."""
    at = moment.replace(tzinfo=console.site.timezone) if moment is not None else None
    with console.site.writing() as unit:
        found = services.relay(system(), unit, relay)
        about = services.notice_of(unit, found, notice)
        said = services.passed(system(), unit, found, about, headcount, at, way=COMMAND)
    click.echo(f"passed on to about {said.headcount} people, statement {said.revision}")


def _tell(console: Console, relay: Relay, key: str, as_json: bool) -> None:
    path = f"/notices/relay/{key}"
    if as_json:
        console.json(row(relay) | {"key": key, "path": path})
        return
    click.echo(f"{relay.public_id}\n{console.site.runtime.config.site['url']}{path}")
    console.progress("this link is a key and is shown this once; hand it to the relay only")
