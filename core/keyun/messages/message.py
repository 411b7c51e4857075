"""What is sent, as a value; whatever is personal stays out of its ``repr`` and so out of logs."""

from __future__ import annotations

from dataclasses import dataclass, field

from keyun.jobs import GiveUp

MAIL = "mail"


class Undeliverable(GiveUp):
    """Trying again is of no use; the text says why and names neither the address nor the words."""


class TryLater(Exception):
    """It cannot be handed over now; the text says why and names neither the address nor the words."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person.

    ``id`` is the same for every attempt, ``channel`` is ``mail``, ``sms`` or a name that a plugin
    serves, ``to`` is the address there, ``text`` is plain, and ``reason`` says what it is about, such
    as ``core.password-reset``.
    """

    id: str
    channel: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    reason: str
