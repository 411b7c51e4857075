"""``keyun notices topics``, ``preferences`` and ``digest``: for operators."""

from __future__ import annotations

import click
import sqlalchemy as sa

from keyun.access import system
from keyun.accounts import User
from keyun.cli.console import Console, pass_console
from keyun.db import is_public_id
from keyun.errors import NotFound
from keyun.uow import UnitOfWork
from keyun_notices.preferences import digests, services
from keyun_notices.preferences.forms import to_json, topic_json
from keyun_notices.preferences.models import KINDS
from keyun_notices.preferences.topics import topics
from keyun_notices.preferences.ways import ways_to

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("topics")
@JSON
@pass_console
def topics_command(console: Console, as_json: bool) -> None:
    """List the topics that people can subscribe to, with the default of each."""
    found = [topic_json(t) for t in topics(console.site).values()]
    if as_json:
        console.json(found)
        return
    for one in found:
        click.echo(f"{one['name']:<20} {one['frequency']:<8} {one['title']} ({one['title_en']})")


@click.command("preferences")
@click.argument("user")
@JSON
@pass_console
def preferences_command(console: Console, user: str, as_json: bool) -> None:
    """Show what holds for USER (login name or public id): topics, channels, quiet hours, cap."""
    with console.site.reading() as unit:
        person = _user(unit, user)
        holds = services.preferences(system(), unit, person)
        shown = to_json(holds, ways_to(unit, person.id))
    if as_json:
        console.json(shown)
        return
    click.echo(f"channels    {', '.join(shown['channels']) or 'inbox only'}")
    click.echo(f"paused      {'yes' if shown['inbox_only'] else 'no'}")
    click.echo(f"impersonal  {'yes' if shown['impersonal'] else 'no'}")
    click.echo(f"quiet       {shown['quiet_from']}-{shown['quiet_until']}")
    click.echo(f"a day       {shown['daily_cap']}")
    for one in shown["topics"]:
        by = ", ".join(one["channels"]) or "-"
        click.echo(f"{one['name']:<20} {one['frequency']:<8} {by}")


@click.command("digest")
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option("--dry-run", is_flag=True, help="Only count what would be made.")
@JSON
@pass_console
def digest_command(console: Console, kind: str | None, dry_run: bool, as_json: bool) -> None:
    """Make the digests that are due now; again, it makes none twice."""
    kinds = (kind,) if kind else KINDS
    if dry_run:
        counted = digests.dry_run(console.site, kinds)
        if as_json:
            console.json(counted)
            return
        for one in counted:
            click.echo(
                f"{one['kind']:<8} {one['period']}  {one['digests']} digests with {one['notices']} notices"
            )
        return
    made = digests.run(console.site, kinds)
    if as_json:
        console.json({"made": made})
    else:
        click.echo(f"{made} digests")


def _user(unit: UnitOfWork, name: str) -> User:
    column = User.public_id if is_public_id(name) else User.login
    found = unit.session.scalars(sa.select(User).where(column == name)).first()
    if found is None:
        raise NotFound(f"there is no user {name!r}; give a login name or a public id")
    return found


#: The commands of this room.
COMMANDS = (topics_command, preferences_command, digest_command)
