"""The channels of a site: ours and those that plugins bring, by name, in the order of the settings."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keyun.errors import NotFound
from keyun.site import Site
from keyun_notices.outbox.channels import bots, mail, sms, webhook, webpush, wechat
from keyun_notices.outbox.channels.protocol import Channel, Provider

log = logging.getLogger(__name__)
NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


def bundled(site: Site, settings: Mapping[str, Any]) -> Iterator[Channel]:
    """Our own channels that are configured here."""
    for found in (
        wechat.channel(settings["wechat"]),
        webpush.channel(settings),
        sms.channel(settings["sms"]),
        mail.channel(site, settings),
        webhook.channel(settings),
    ):
        if found is not None:
            yield found
    yield from bots.channels(settings)


def channels(site: Site) -> Mapping[str, Channel]:
    """Every channel by its name; those that the settings order come first, in that order.

    A plugin that fails, and a channel or provider whose name is taken, is left out and logged.
    """
    found: dict[str, Channel] = {}
    for declared in _declared(site):
        taken = {p.name for c in found.values() for p in c.providers}
        if declared.name in found or taken & {p.name for p in declared.providers}:
            log.error("channel %s is declared twice; the first one counts", declared.name)
        else:
            found[declared.name] = declared
    order: Sequence[str] = site.plugins.settings("notices")["order"]
    first = [n for n in order if n in found]
    return {n: found[n] for n in [*first, *(n for n in found if n not in first)]}


def _declared(site: Site) -> Iterator[Channel]:
    for impl in site.plugins.hook.keyun_notices_channels.get_hookimpls():
        try:
            listed = list(impl.function())
            for one in listed:
                if not isinstance(one, Channel) or not NAME.fullmatch(one.name) or not one.providers:
                    raise TypeError(f"{one!r} is no Channel with a provider")
        except Exception:
            log.exception("a plugin failed in keyun_notices_channels; its channels are missing")
        else:
            yield from listed


def channel(site: Site, name: str) -> Channel:
    """The channel ``name``.

    :raises NotFound: when it is not configured.
    """
    known = channels(site)
    if name not in known:
        raise NotFound(
            f"没有渠道 {name[:40]}。 (No channel {name[:40]} is configured here; there are"
            f" {', '.join(known) or 'none'}: see `keyun notices channels`.)"
        )
    return known[name]


def providers(site: Site) -> Mapping[str, tuple[Channel, Provider]]:
    """Every provider by its name, with its channel."""
    return {p.name: (c, p) for c in channels(site).values() for p in c.providers}


def bucket_of(provider: Provider, address: str) -> str:
    """The name of the bucket that a letter to ``address`` is taken from."""
    return f"{provider.name}:{provider.lane(address)}"[:60] if provider.lane else provider.name
