"""Hand single messages of the core, and the codes of this plugin, to the SMS gateways of the outbox.

Codes do not wait in the outbox: who typed his number waits for them now. Their number is bounded where
they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyun.messages import Message, TryLater, Uncertain, Undeliverable
from keyun_notices.outbox.channels.protocol import Gone, Handed, Letter, Provider, Refused, Unknown
from keyun_notices.outbox.directory import channels

if TYPE_CHECKING:
    from keyun.site import Site

SMS = "sms"


def served(site: Site) -> tuple[str, ...]:
    """The channels of the core's messages that this plugin serves: SMS where a gateway is configured."""
    # Not asked of the channels: that of mail asks in turn who serves mail.
    return (SMS,) if site.plugins.settings("notices")["sms"] else ()


def send(site: Site, message: Message) -> bool | None:
    """Hand ``message`` to the first gateway that takes it; None when it is not an SMS, or there is none.

    :raises Undeliverable: when a gateway refuses it for good.
    :raises TryLater: when none can take it now; the id makes a repeat harmless.
    """
    gateways = _gateways(site) if message.channel == SMS else ()
    letter = Letter(message.id, message.to, message.subject, message.text, topic=message.reason, urgent=True)
    why = ""
    for gateway in gateways:
        result = gateway.send(site, [letter])[0]
        if isinstance(result, Handed):
            return True
        if isinstance(result, Refused | Gone):
            raise Undeliverable(result.reason)
        if isinstance(result, Unknown):
            # Another gateway does not know the id, and would send it a second time.
            raise Uncertain(result.reason)
        why = result.reason
    if gateways:
        raise TryLater(why)
    return None


def _gateways(site: Site) -> tuple[Provider, ...]:
    found = channels(site).get(SMS)
    return found.providers if found is not None else ()
