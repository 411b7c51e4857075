"""How the channels stand: what is configured, what waits, since when, and which providers are left alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from keyun.access import Actor
from keyun.events import Lag
from keyun.plugins import Derived
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox import buckets, services
from keyun_notices.outbox.buckets import Standing
from keyun_notices.outbox.channels import webpush
from keyun_notices.outbox.directory import channels
from keyun_notices.outbox.models import SENDING, UNCERTAIN, WAITING

#: Letters that wait longer than this are late.
LATE = dt.timedelta(minutes=30)
#: What can be configured, and by which table or key.
TABLES = {
    "sms": "[[plugin.notices.sms]]",
    "wechat": "[plugin.notices.wechat]",
    "webpush": "[plugin.notices.webpush]",
    "mail": "[mail]",
    "webhook": "webhook_secret in [plugin.notices]",
}


@dataclass(frozen=True, slots=True)
class ChannelStanding:
    """One channel: its providers, what waits and since when, and what nobody can tell."""

    name: str
    title: str
    providers: Sequence[Standing]
    waiting: int
    since: dt.datetime | None
    uncertain: int


def look(actor: Actor, unit: UnitOfWork) -> list[ChannelStanding]:
    """How every channel stands."""
    unit.require(actor, services.LOOK)
    states, oldest = services.states(unit), services.oldest(unit)
    return [
        ChannelStanding(
            name,
            channel.title,
            [buckets.standing(unit, p.name, p.limit) for p in channel.providers],
            sum(states.get((name, s), 0) for s in (*WAITING, SENDING)),
            oldest.get(name),
            states.get((name, UNCERTAIN), 0),
        )
        for name, channel in channels(unit.site).items()
    ]


def missing(site: Site) -> dict[str, str]:
    """The channels of ours that are not there, and what each needs."""
    known = channels(site)
    found = {n: f"set {table} in keyun.toml" for n, table in TABLES.items() if n not in known}
    if "webpush" in found and not webpush.available():
        found["webpush"] = "install keyun[notify] and " + found["webpush"]
    return found


def problems(site: Site) -> Iterable[str]:
    """What the doctor says: no channel at all, providers that are left alone, letters that wait too long."""
    from keyun.access import system

    with site.reading() as unit:
        if site.plugins.settings("notices")["webpush"] is not None and not webpush.available():
            yield "[plugin.notices.webpush] is set and its library is missing; install keyun[notify]"
        for channel in look(system(), unit):
            yield from _of(channel, unit.now)
        yield from _orphaned(unit, channels(site))


def _of(channel: ChannelStanding, now: dt.datetime) -> Iterable[str]:
    for p in channel.providers:
        if p.closed_until is not None:
            yield (
                f"provider {p.provider} is left alone until {p.closed_until:%Y-%m-%d %H:%M} UTC: {p.reason};"
                f" repair it, then run `keyun notices reopen {p.provider}`"
            )
    if channel.since is not None and now - channel.since > LATE:
        minutes = int((now - channel.since).total_seconds() // 60)
        yield (
            f"{channel.waiting} letters by {channel.name} wait, the oldest for {minutes} minutes; is a worker"
            " running, and is the pace in keyun.toml enough? See `keyun notices channels`"
        )


def _orphaned(unit: UnitOfWork, known: Mapping[str, object]) -> Iterable[str]:
    waiting: dict[str, int] = {}
    for (channel, state), n in services.states(unit).items():
        if state in WAITING and channel not in known:
            waiting[channel] = waiting.get(channel, 0) + n
    for channel, n in sorted(waiting.items()):
        yield f"{n} letters wait for the channel {channel}, which is not configured any more; configure it"


def derived(site: Site) -> Iterable[Derived]:
    """The backlog among the figures of the administrator."""

    def lag(unit: UnitOfWork) -> Lag:
        since = services.oldest(unit)
        waiting = services.due_count(unit)
        return Lag(waiting, min(since.values(), default=None))

    yield Derived("notices.outbox", _("通知外发队列"), lag, most=10_000)
