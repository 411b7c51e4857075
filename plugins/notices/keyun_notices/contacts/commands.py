"""``keyun notices contacts``: who is told by SMS without an account."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from keyun.access import system
from keyun.cli.console import Console, Group, pass_console
from keyun_notices.contacts import services
from keyun_notices.contacts.models import Contact
from keyun_notices.contacts.phones import masked
from keyun_notices.contacts.schemas import STATES

MOST = 100
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Group)
def contacts() -> None:
    """People without an account who are told by SMS. Import them with `keyun import contacts FILE`."""


@contacts.command("list")
@click.option("--region", help="Six-digit code, with all below.")
@click.option("--state", type=click.Choice(STATES))
@click.option("--after", help="The `next` of the page before.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True)
@JSON
@pass_console
def list_(
    console: Console, region: str | None, state: str | None, after: str | None, limit: int, as_json: bool
) -> None:
    """List contacts, newest first, numbers masked."""
    with console.site.reading() as unit:
        found = services.contacts(system(), unit, region, state, after, limit)
        rows = [row(c) for c in found.items]
    if as_json:
        console.json({"items": rows, "next": found.next})
        return
    for r in rows:
        click.echo(f"{r['id']}  {r['phone']:<14} {r['region']}  {r['state']:<10} {r['consented_at'][:10]}")
    if found.next:
        console.progress(f"more: --after {found.next}")


def row(contact: Contact) -> dict[str, Any]:
    """One contact as plain data."""
    return {
        "id": contact.public_id,
        "phone": masked(contact.phone),
        "region": contact.region,
        "state": contact.state,
        "consented_at": contact.consented_at.isoformat(),
    }


@contacts.command()
@click.argument("phone")
@click.option("--region", required=True, help="Six-digit code.")
@click.option("--on", "day", required=True, metavar="DAY", help="When the person agreed, as 2027-03-31.")
@click.option("--evidence", required=True, help="What shows it, such as page 12 of the signed list.")
@pass_console
def add(console: Console, phone: str, region: str, day: str, evidence: str) -> None:
    """Write down that the owner of PHONE agreed to be told by SMS."""
    data = {"phone": phone, "region": region, "consented_on": day, "evidence": evidence}
    with console.site.writing() as unit:
        found = services.record_consent(system(), unit, data)
    click.echo(f"{masked(found.phone)} is a contact of {found.region}")


@contacts.command()
@click.argument("contact")
@pass_console
def withdraw(console: Console, contact: str) -> None:
    """Withdraw the consent of CONTACT, an id of the list; the number is deleted at once."""
    with console.site.writing() as unit:
        changed = services.withdraw_contact(system(), unit, contact)
    click.echo("withdrawn" if changed else "withdrawn already")


@contacts.command()
@click.argument("phone")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@pass_console
def export(console: Console, phone: str, file: Path) -> None:
    """Write everything that is kept about PHONE into FILE, for its owner; keep the file safe."""
    with console.site.reading() as unit:
        found = services.held(system(), unit, phone)
    file.touch(mode=0o600)
    # A file that was there keeps its rights otherwise.
    file.chmod(0o600)
    file.write_text(json.dumps(found, ensure_ascii=False, indent=2, default=str) + "\n", encoding="utf-8")
    console.progress(f"written to {file}; it holds personal data: hand it over and delete it")


@contacts.command()
@click.argument("phone")
@pass_console
def forget(console: Console, phone: str) -> None:
    """Delete everything about PHONE; counts of notices keep a note that one person is missing."""
    with console.site.writing() as unit:
        services.forget(system(), unit, phone)
    click.echo("forgotten")
