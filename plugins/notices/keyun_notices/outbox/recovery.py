"""Letters whose worker died while it handed them over: ask, repeat, or say that nobody knows."""

from __future__ import annotations

import datetime as dt
import logging

from keyun.site import Site
from keyun_notices.outbox import transitions
from keyun_notices.outbox.channels.protocol import Handed, Later, Provider, Result, Unknown
from keyun_notices.outbox.directory import providers
from keyun_notices.outbox.models import UNCERTAIN, OutboxRow

log = logging.getLogger(__name__)
#: A provider that does not answer is asked again after this time, and for so long.
ASK_AGAIN, ASK_FOR = dt.timedelta(minutes=10), dt.timedelta(days=1)
#: What clocks may differ between us and a provider that recognises keys for a time.
SKEW = dt.timedelta(seconds=30)
DIED = "the worker died while it handed this over"


def recover(site: Site, most: int = 1000) -> int:
    """Judge every letter that was left behind; returns how many there were.

    Within ``repeat_for`` of its provider a letter goes again under its key. Otherwise the provider is asked
    if it can be. What remains is ``uncertain``: it may have arrived, and is not sent again.
    """
    known = providers(site)
    with site.reading() as unit:
        rows = transitions.lost(unit, most)
    for row in rows:
        provider = known[row.provider][1] if row.provider in known else None
        now = site.runtime.clock()
        begun = row.begun_at or now
        if provider is not None and recognises(provider, begun, now):
            with site.writing() as unit:
                transitions.resume(unit, row, DIED, doubtful=True)
        elif provider is not None and provider.ask is not None:
            _apply(site, row, _asked(site, provider, row), last=begun + ASK_FOR < now)
        else:
            with site.writing() as unit:
                transitions.ended(unit, row.id, row.owner or "", UNCERTAIN, DIED)
    return len(rows)


def recognises(provider: Provider, begun: dt.datetime, at: dt.datetime) -> bool:
    """Whether ``provider`` still knows at ``at`` a key that it may have seen first at ``begun``."""
    return begun + dt.timedelta(seconds=provider.repeat_for) - SKEW > at


def _asked(site: Site, provider: Provider, row: OutboxRow) -> Result:
    try:
        return provider.ask(site, row.key) if provider.ask is not None else Unknown("it cannot be asked")
    except Exception as e:
        # The text of a stranger's error may hold the address.
        log.error("provider %s could not be asked: %s", provider.name, type(e).__name__)
        return Unknown(f"{provider.name} failed with {type(e).__name__}")


def _apply(site: Site, row: OutboxRow, result: Result, *, last: bool) -> None:
    owner = row.owner or ""
    with site.writing() as unit:
        if isinstance(result, Handed):
            transitions.handed(unit, row.provider, owner, {row.id: result})
        elif isinstance(result, Later):
            transitions.resume(unit, row, result.reason, doubtful=False)
        elif isinstance(result, Unknown) and not last:
            transitions.asked_at(unit, row.id, owner, unit.now + ASK_AGAIN)
        elif isinstance(result, Unknown):
            transitions.ended(unit, row.id, owner, UNCERTAIN, result.reason)
        else:
            transitions.ended(unit, row.id, owner, "failed", result.reason)
