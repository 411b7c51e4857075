"""What is sent, as a value; whatever is personal stays out of its ``repr`` and so out of logs."""

from __future__ import annotations

from dataclasses import dataclass, field

from keyun.jobs import GiveUp

MAIL = "mail"


class Undeliverable(GiveUp):
    """Trying again is of no use; the text says why and names neither the address nor the words."""


class Gone(Undeliverable):
    """The address takes nothing any more."""


class TryLater(Exception):
    """It cannot be handed over now; the text says why and names neither the address nor the words."""


class Uncertain(TryLater):
    """The connection broke before the answer, so it may have been taken; trying again may double it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person.

    ``id`` is the same for every attempt, ``channel`` is ``mail``, ``sms`` or a name that a plugin
    serves, ``to`` is the address there, ``text`` is plain, and ``reason`` says what it is about, such
    as ``core.password-reset``. ``unsubscribe`` is the https address that ends such messages with one
    POST (RFC 8058); it is a secret of the person.
    """

    id: str
    channel: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    reason: str
    unsubscribe: str = field(default="", repr=False)
