"""Write a message into the transaction of a change, and hand it over afterwards."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keyun.accounts.models import User
from keyun.db import public_id
from keyun.jobs import GiveUp, Job
from keyun.logs import without_text
from keyun.messages.message import MAIL, Message, TryLater, Uncertain, Undeliverable
from keyun.uow import UnitOfWork

if TYPE_CHECKING:
    from keyun.site import Site

log = logging.getLogger(__name__)
JOB = "core.message"
#: Where a channel reaches a user; one of a plugin's own gets the user's public id.
ADDRESSES: Mapping[str, str] = {MAIL: "email", "sms": "phone"}


def can_send(site: Site, channel: str = MAIL) -> bool:
    """Whether anybody serves ``channel`` here."""
    return channel in site.plugins.message_channels()


def send(
    unit: UnitOfWork, user_id: int, subject: str, text: str, *, reason: str, channel: str = MAIL
) -> str | None:
    """Tell a user something once this transaction is safe; returns the job, None when it cannot reach him.

    A message that nobody could take, to nobody's address or to somebody who does not want any, is not
    written. It carries no address: the job looks up the one that counts when it is sent.
    """
    user = unit.session.get(User, user_id)
    if user is None or not can_send(unit.site, channel) or address(user, channel) is None:
        return None
    about: dict[str, Any] = {
        "message_id": public_id(),
        "user_id": user_id,
        "channel": channel,
        "reason": reason,
    }
    return unit.enqueue(JOB, **about, subject=subject, text=text)


def address(user: User, channel: str) -> str | None:
    """Where ``user`` wants to be told something by ``channel``; None when nowhere."""
    if not user.active or (channel == MAIL and not user.mail_wanted):
        return None
    found: str | None = getattr(user, ADDRESSES.get(channel, "public_id"))
    return found or None


def hand_over(site: Site, message: Message) -> None:
    """Hand ``message`` to whoever takes it, at once; call it outside of a unit of work.

    :raises Undeliverable: when nobody does, or whoever does says that trying again is of no use.
    :raises TryLater: without a word of the message, when it failed and may be tried again; its subclass
        Uncertain, when it may have been taken.
    """
    try:
        taken = site.plugins.message_send(message)
    except (GiveUp, TryLater):
        raise
    except Exception as e:
        # The text of a stranger's error may hold the address; the job row and the log must not.
        log.error("message %s (%s) was not handed over: %s", message.id, message.reason, without_text(e))
        raise Uncertain(f"handing over failed with {type(e).__name__}; see the log") from None
    if not taken:
        raise Undeliverable(
            f"nobody takes messages for {message.channel!r}; set [mail] in keyun.toml or enable a plugin"
            " that sends them, then run `keyun jobs retry`"
        )
    log.info("message %s (%s) was handed over to %s", message.id, message.reason, message.channel)


def message_job() -> Job:
    """The job that sends what :func:`send` wrote; a message that was taken leaves no row."""
    return Job(JOB, _deliver, keep=False)


def _deliver(
    site: Site, message_id: str, user_id: int, channel: str, subject: str, text: str, reason: str
) -> None:
    with site.reading() as unit:
        user = unit.session.get(User, user_id)
        to = address(user, channel) if user is not None else None
    if to is None:
        log.info("message %s (%s) is not sent: the person is gone or wants none", message_id, reason)
        return
    hand_over(site, Message(message_id, channel, to, subject, text, reason))
