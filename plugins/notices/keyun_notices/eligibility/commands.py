"""``keyun notices eligibility``: calls with who may take part."""

from __future__ import annotations

from typing import Any

import click

from keyun.access import system
from keyun.cli.console import Console, Group, pass_console
from keyun.errors import Invalid
from keyun_notices.audience.why import Clause
from keyun_notices.eligibility import services
from keyun_notices.eligibility.models import Call
from keyun_notices.people.commands import read_expression

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Group)
def eligibility() -> None:
    """Awards, policies and projects with who may apply."""


@eligibility.command("list")
@click.option("--after", help="The `next` of the page before.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@JSON
@pass_console
def list_(console: Console, after: str | None, limit: int, as_json: bool) -> None:
    """List calls, drafts included, newest first."""
    with console.site.reading() as unit:
        found = services.managed(system(), unit, after, limit)
        rows = [row(c) for c in found.items]
    if as_json:
        console.json({"items": rows, "next": found.next})
        return
    for r in rows:
        click.echo(f"{r['id']}  {r['state']:<9} {r['kind']:<7} {r['region']}  {r['title']}")
    if found.next:
        console.progress(f"more: --after {found.next}")


def row(call: Call) -> dict[str, Any]:
    """A call as plain data."""
    same = ("kind", "title", "summary", "link", "region", "audience", "state", "counted", "version")
    moments = {n: m.isoformat() if (m := getattr(call, n)) else None for n in ("opens_at", "closes_at")}
    return {"id": call.public_id} | {n: getattr(call, n) for n in same} | moments


@eligibility.command()
@click.argument("call")
@JSON
@pass_console
def create(console: Console, call: str, as_json: bool) -> None:
    """Write the draft CALL: JSON, `@file`, or `-` for standard input.

    Keys: kind (award, policy, project), title, summary, link, region, audience, opens_at, closes_at.
    """
    data = read_expression(call)
    if not isinstance(data, dict):
        raise Invalid("a call is a JSON object with kind, title, region and audience")
    with console.site.writing() as unit:
        made = row(services.create(system(), unit, data))
    if as_json:
        console.json(made)
    else:
        click.echo(made["id"])


@eligibility.command()
@click.argument("call")
@JSON
@pass_console
def count(console: Console, call: str, as_json: bool) -> None:
    """Count who would be eligible for CALL (its id) now, clause by clause; exit 1 when nobody is."""
    with console.site.reading() as unit:
        tried = services.tried(system(), unit, services.find(system(), unit, call))
    if as_json:
        console.json(
            {
                "count": tried.count,
                "of": tried.of,
                "clauses": [{"path": c.path, "asks": c.asks.zh, "count": c.count} for c in tried.clauses],
                "warnings": [{"code": w.code, "path": w.path, "text": w.says.zh} for w in tried.warnings],
            }
        )
    else:
        for c in tried.clauses:
            click.echo(f"{c.count:>12,}  {'  ' * c.depth}{c.asks.zh}")
        click.echo(f"{tried.count:>12,}  of {tried.of:,} people in the region")
        for w in tried.warnings:
            console.progress(f"warning ({w.code}): {w.says.zh}")
    if not tried.count:
        raise Invalid("nobody is eligible; look at the clauses that nobody meets")


@eligibility.command()
@click.argument("call")
@click.option("--tell", is_flag=True, help="Send a notice to exactly those who are eligible at this moment.")
@pass_console
def publish(console: Console, call: str, tell: bool) -> None:
    """Publish the draft CALL (its id)."""
    with console.site.writing() as unit:
        found = services.find(system(), unit, call)
        sent = services.publish(system(), unit, found, tell=tell)
        told = f", {sent.addressed} told" if sent is not None else ""
        text = f"published: {found.counted} eligible{told}"
    click.echo(text)


@eligibility.command()
@click.argument("call")
@pass_console
def withdraw(console: Console, call: str) -> None:
    """Take CALL (its id) back."""
    with console.site.writing() as unit:
        services.withdraw(system(), unit, services.find(system(), unit, call))
    click.echo("withdrawn")


@eligibility.command()
@click.argument("call")
@click.argument("login")
@JSON
@pass_console
def why(console: Console, call: str, login: str, as_json: bool) -> None:
    """Say clause by clause why the user LOGIN is eligible for CALL (its id), or is not; exit 1 for a no."""
    with console.site.reading() as unit:
        found = services.of_user(system(), unit, services.find(system(), unit, call), login)
    if as_json:
        console.json({"eligible": found.eligible, "why": found.why.in_both() if found.why else None})
    elif found.why is not None:
        _tell(found.why, 0)
    if not found.eligible:
        raise Invalid(f"{login} is not eligible, or it cannot be told here")


def _tell(clause: Clause, depth: int) -> None:
    mine = f"（{clause.mine.zh}）" if clause.mine else ""
    click.echo(f"{'yes' if clause.holds else 'no ':<4}{'  ' * depth}{clause.asks.zh}{mine}")
    for part in clause.parts:
        _tell(part, depth + 1)
