"""What a channel is: the letters it takes, what it answers, and how fast its providers may be asked.

A plugin brings a channel with the hook ``keyun_notices_channels``. The outbox chooses the moment, the
pace and the order; a provider only hands over and says honestly what became of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from keyun.site import Site
from keyun.uow import UnitOfWork

__all__ = [
    "Ask",
    "Channel",
    "Gone",
    "Handed",
    "Later",
    "Letter",
    "Limit",
    "Provider",
    "Reaches",
    "Refused",
    "Result",
    "Send",
    "Unknown",
]


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as a provider gets it; whatever is personal stays out of its ``repr`` and so out of logs.

    ``key`` is the same for every attempt: hand it on as the idempotency key. ``text`` is plain, ``link``
    and ``optout`` are whole addresses or empty, ``one_click`` takes the POST of RFC 8058, ``region`` is the
    name of the place it is about, ``kind`` that of the recipient.
    """

    key: str
    to: str = field(repr=False)
    title: str = field(repr=False)
    text: str = field(repr=False)
    link: str = field(default="", repr=False)
    optout: str = field(default="", repr=False)
    one_click: str = field(default="", repr=False)
    topic: str = ""
    region: str = ""
    urgent: bool = False
    kind: str = "account"


@dataclass(frozen=True, slots=True)
class Handed:
    """The provider took it and calls it ``reference``; ``delivered`` when it says that it arrived."""

    reference: str = ""
    delivered: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """It was certainly not taken, and may be tried again after ``seconds`` or when the outbox thinks fit.

    ``whole`` says that the provider is at fault and not this letter: a quota, an outage, a wrong key.
    """

    reason: str
    seconds: float | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not taken and never will be; the text names neither address nor words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Refused for good because the address is dead; the outbox removes it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been taken: the connection broke before the answer.

    Without ``whole`` the fault is that of one address, and the provider is not left alone for it.
    """

    reason: str
    whole: bool = True


Result = Handed | Later | Refused | Gone | Unknown


@dataclass(frozen=True, slots=True)
class Limit:
    """How fast a provider may be asked: in any span of ``t`` seconds at most ``burst + per_second * t``.

    ``per_day`` bounds the letters of one local day; None leaves it to the provider.
    """

    per_second: float
    burst: int = 1
    per_day: int | None = None

    def __post_init__(self) -> None:
        if not self.per_second > 0 or self.burst < 1:
            raise ValueError("a limit needs a rate above 0 and a burst of at least 1")


#: Hands letters over, at most ``batch`` of them; one result for each, in their order. ``TryLater`` and
#: ``Undeliverable`` of :mod:`keyun.messages` may be raised instead and mean all of them. Any other failure
#: counts as :class:`Unknown` for all: nobody can tell how far it came.
Send = Callable[[Site, Sequence[Letter]], Sequence[Result]]
#: What became of the letter with a key: Handed when the provider has it, Later when it never came, or
#: Unknown.
Ask = Callable[[Site, str], Result]
#: The addresses of recipients of one kind (account, contact, relay) by their ids; who has none is left out.
Reaches = Callable[[UnitOfWork, str, Sequence[int]], Mapping[int, str]]
#: Removes the dead address of a recipient (kind, id, address), in the transaction.
Forget = Callable[[UnitOfWork, str, int, str], None]


@dataclass(frozen=True, slots=True)
class Provider:
    """One service that takes letters of a channel.

    ``name`` is unique among all providers of a site. ``repeat_for`` says for how many seconds the provider
    recognises a key and takes it once only: within them a letter whose fate is unknown is sent again.
    ``ask`` looks up a letter whose fate is unknown. ``lane`` gives the part of an address that has a
    limit of its own, such as one robot. ``timeout`` bounds one call, in seconds.
    """

    name: str
    send: Send
    limit: Limit
    batch: int = 1
    timeout: float = 10.0
    repeat_for: float = 0.0
    ask: Ask | None = None
    lane: Callable[[str], str] | None = None

    def __post_init__(self) -> None:
        if self.batch < 1 or (self.lane is not None and self.batch != 1):
            raise ValueError(f"provider {self.name}: batch is at least 1, and 1 where addresses have lanes")


def _keeps(_unit: UnitOfWork, _kind: str, _recipient_id: int, _address: str) -> None:
    """The digest of the dead address is enough."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to reach people outside the site, with its providers in the order of fail-over.

    ``kinds`` are the recipients it can have. ``push`` says that it disturbs people: quiet hours and the
    cap hold it. ``most_age`` bounds how long a letter may wait when its notice has no end.
    """

    name: str
    title: str
    title_en: str
    providers: tuple[Provider, ...]
    reaches: Reaches
    kinds: frozenset[str] = frozenset({"account"})
    push: bool = True
    forget: Forget = _keeps
    most_age: dt.timedelta = dt.timedelta(days=7)
