"""``keyun notices``: count audiences, list attributes, look after the resident people."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from keyun.access import system
from keyun.cli.console import Console, pass_console
from keyun.errors import Invalid
from keyun_notices.people import services, upkeep
from keyun_notices.people.api import as_dict, attribute_dict
from keyun_notices.people.resident import resident

#: An expression is bounded; a file that is larger holds something else.
MOST_BYTES = 1_000_000
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def commands() -> tuple[click.Command, ...]:
    """The commands of this part of the group."""
    return (count, attributes, rebuild, verify)


@click.command()
@click.argument("expression")
@click.option("--region", help="Six-digit code: count there only.")
@JSON
@pass_console
def count(console: Console, expression: str, region: str | None, as_json: bool) -> None:
    """Count who meets EXPRESSION: JSON, `@file`, or `-` for standard input.

    Exit 1 when nobody does, or the expression is wrong.
    """
    with console.site.reading() as unit:
        counted = services.count(system(), unit, read_expression(expression), region)
    if as_json:
        console.json(as_dict(counted))
    else:
        _show(counted)
    if not counted.trial.count:
        raise Invalid("nobody meets this audience; look at the clauses that nobody meets")


def _show(counted: services.Counted) -> None:
    found = counted.trial
    for clause in found.clauses:
        click.echo(f"{clause.count:>12,}  {'  ' * clause.depth}{clause.asks.zh}  [{clause.path or '/'}]")
    click.echo(f"{found.count:>12,}  of {found.of:,} people in {', '.join(counted.regions)}")
    for person in counted.sample:
        click.echo(f"{'':>12}  e.g. {person.public_id} {person.region or ''} level {person.level}")
    for warning in found.warnings:
        click.echo(f"warning ({warning.code}, {warning.path or '/'}): {warning.says.zh}", err=True)


def read_expression(text: str) -> Any:
    """The JSON in ``text``, in the file ``@name``, or on standard input for ``-``.

    :raises Invalid: when it cannot be read as JSON.
    """
    try:
        if text == "-":
            text = sys.stdin.read(MOST_BYTES)
        elif text.startswith("@"):
            with Path(text[1:]).open(encoding="utf-8-sig") as f:
                text = f.read(MOST_BYTES)
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as e:
        raise Invalid(
            f"the expression cannot be read ({e}); give JSON, @file, or - for standard input"
        ) from None


@click.command()
@JSON
@pass_console
def attributes(console: Console, as_json: bool) -> None:
    """List what audiences can ask for, with the values that most people have."""
    with console.site.reading() as unit:
        rows = [attribute_dict(d) for d in services.described(system(), unit)]
    if as_json:
        console.json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:<26} {row['kind']:<7} {row['title']} / {row['title_en']}")
        named = [
            f"{v['value']}（{v['title']}）" if v["title"] != str(v["value"]) else v["value"]
            for v in row["values"]
        ]
        shown = "、".join(f"{n} {v['count']}" for n, v in list(zip(named, row["values"], strict=True))[:6])
        click.echo(f"{'':<26} {shown}")


@click.command()
@pass_console
def rebuild(console: Console) -> None:
    """Read what is known of all people anew from the database; running processes change over at once."""
    count = resident(console.site).rebuild(console.progress)
    click.echo(f"people: {count}")


@click.command()
@JSON
@pass_console
def verify(console: Console, as_json: bool) -> None:
    """Compare the resident people with the database, attribute by attribute; exit 1 with the differences."""
    count, found = upkeep.verify(console.site)
    if as_json:
        console.json(
            {
                "people": count,
                "differences": [
                    {
                        "attribute": d.attribute,
                        "missing": d.missing,
                        "extra": d.extra,
                        "examples": list(d.examples),
                    }
                    for d in found
                ],
            }
        )
    else:
        click.echo(f"people: {count}")
        for d in found:
            ids = ", ".join(map(str, d.examples))
            click.echo(f"{d.attribute}: missing {d.missing}, too many {d.extra} (user ids {ids})")
    if found:
        raise Invalid(upkeep.DIFFERS)
