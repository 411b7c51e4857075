"""The commands of ``keyun notices`` about channels and the outbox."""

from __future__ import annotations

import uuid
from typing import Any

import click

from keyun.access import system
from keyun.cli.console import Console, pass_console
from keyun.errors import Conflict, NotFound
from keyun.site import Site
from keyun_notices.outbox import buckets, services, standing
from keyun_notices.outbox.channels import webhook, webpush
from keyun_notices.outbox.channels.protocol import Handed, Letter
from keyun_notices.outbox.directory import bucket_of, channel, providers
from keyun_notices.outbox.models import STATES, OutboxRow

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@JSON
@pass_console
def channels(console: Console, as_json: bool) -> None:
    """Show the channels: what is configured, what waits, and which providers are left alone."""
    with console.site.reading() as unit:
        found = standing.look(system(), unit)
    absent = standing.missing(console.site)
    if as_json:
        console.json({"channels": [_channel(c) for c in found], "missing": absent})
        return
    for c in found:
        since = f" since {c.since:%Y-%m-%d %H:%M}" if c.since else ""
        click.echo(f"{c.name:<10} {c.title}: {c.waiting} waiting{since}, {c.uncertain} uncertain")
        for p in c.providers:
            state = f"closed until {p.closed_until:%Y-%m-%d %H:%M}: {p.reason}" if p.closed_until else "open"
            click.echo(f"  {p.provider:<20} {p.tokens} now, {p.used_today} today, {state}")
    for name, what in absent.items():
        click.echo(f"{name:<10} not configured: {what}")


def _channel(c: standing.ChannelStanding) -> dict[str, Any]:
    return {
        "name": c.name,
        "title": c.title,
        "waiting": c.waiting,
        "since": c.since and c.since.isoformat(),
        "uncertain": c.uncertain,
        "providers": [
            {
                "name": p.provider,
                "tokens": p.tokens,
                "used_today": p.used_today,
                "failures": p.failures,
                "closed_until": p.closed_until and p.closed_until.isoformat(),
                "reason": p.reason,
            }
            for p in c.providers
        ],
    }


@click.command()
@click.option("--state", type=click.Choice(STATES), help="Only this state.")
@click.option("--channel", "name", help="Only this channel.")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True)
@JSON
@pass_console
def outbox(console: Console, state: str | None, name: str | None, limit: int, as_json: bool) -> None:
    """List the newest letters; they name neither people nor addresses."""
    with console.site.reading() as unit:
        rows = [_row(r) for r in services.listed(system(), unit, state, name, limit)]
    if as_json:
        console.json(rows)
        return
    for r in rows:
        click.echo(
            f"{r['id']:>8}  {r['state']:<12} {r['channel']:<10} {r['recipient']:<16} notice {r['notice']}"
            f"  {r['attempts']}×  {r['reason']}".rstrip()
        )


def _row(r: OutboxRow) -> dict[str, Any]:
    return {
        "id": r.id,
        "notice": r.notice_id,
        "recipient": f"{r.recipient_kind} {r.recipient_id}",
        "channel": r.channel,
        "provider": r.provider,
        "state": r.state,
        "attempts": r.attempts,
        "not_before": r.not_before.isoformat(),
        "changed_at": r.changed_at.isoformat(),
        "reason": r.reason,
    }


@click.command()
@click.argument("row_id", metavar="ID", type=click.IntRange(1, 2**31 - 1))
@pass_console
def retry(console: Console, row_id: int) -> None:
    """Send a letter that failed once more; what may have arrived is never sent again."""
    with console.site.writing() as unit:
        services.retry(system(), unit, row_id)
    click.echo(f"letter {row_id} is queued again")


@click.command()
@click.argument("provider")
@pass_console
def reopen(console: Console, provider: str) -> None:
    """Try a provider again at once, after a repair."""
    if provider not in providers(console.site):
        known = ", ".join(providers(console.site)) or "none"
        raise NotFound(f"there is no provider {provider}; there are {known}")
    with console.site.writing() as unit:
        unit.require(system(), services.MANAGE)
        buckets.reopen(unit, [provider])
        unit.enqueue(services.SEND_JOB, key=services.SEND_JOB)
    click.echo(f"{provider} is tried again")


@click.command("try")
@click.argument("name", metavar="CHANNEL")
@click.option("--to", required=True, help="A phone, an OpenID, a mail address, or the address of a webhook.")
@pass_console
def try_(console: Console, name: str, to: str) -> None:
    """Send one test message through each provider of CHANNEL; it counts like any other in the pace."""
    site = console.site
    for provider in channel(site, name).providers:
        with site.writing() as unit:
            unit.require(system(), services.MANAGE)
            if not buckets.take(unit, bucket_of(provider, to), provider.limit, 1):
                raise Conflict(f"{provider.name} may not be asked now; see `keyun notices channels`")
        (result,) = provider.send(site, [_test_letter(site, name, to)])
        if not isinstance(result, Handed):
            raise Conflict(f"{provider.name} did not take it: {result.reason}")
        click.echo(f"{provider.name} took it, reference {result.reference or 'none'}")


def _test_letter(site: Site, name: str, to: str) -> Letter:
    title = site.runtime.config.site["title"]
    address = f"{uuid.uuid4()} {to}" if name == webhook.NAME else to
    text = f"{title}的测试消息，请忽略。 (A test message; please ignore it.)"
    return Letter(uuid.uuid4().hex, address, f"{title}测试", text, topic="test")


@click.command("webhook-key")
@click.argument("relay", metavar="RELAY")
@pass_console
def webhook_key(console: Console, relay: str) -> None:
    """Print the key that signs what the relay of this id gets; give it to whoever runs the receiver."""
    secret = console.site.plugins.settings("notices")["webhook_secret"]
    if not secret:
        raise Conflict("webhooks are off; set webhook_secret in [plugin.notices] of keyun.toml")
    with console.site.reading() as unit:
        unit.require(system(), services.MANAGE)
        if not services.relay_exists(unit, relay):
            raise NotFound(f"there is no relay {relay[:40]}; see `keyun notices relays list`")
    click.echo(webhook.key_of(secret, relay))


@click.command("push-keys")
def push_keys() -> None:
    """Make a pair of keys for Web Push; keep them: browsers that subscribed know the site by them."""
    if not webpush.available():
        raise click.ClickException("the library is missing; install keyun[notify]")
    private, public = webpush.new_keys()
    click.echo(f'private_key = "{private}"\npublic_key = "{public}"')


def commands() -> tuple[click.Command, ...]:
    """The commands of this room."""
    return (channels, outbox, retry, reopen, try_, webhook_key, push_keys)
