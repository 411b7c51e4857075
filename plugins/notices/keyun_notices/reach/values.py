"""How many a notice reached: values that are kept apart on purpose.

There is no sum of them anywhere. Somebody addressed was not yet told, somebody told has not yet looked,
an account and a contact are counted in different ways, and what a relay estimates is a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyun_notices.reach.population import Residents


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of people, and which share of the residents it is; None when their number is unknown."""

    people: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Channel:
    """What became of the messages by one channel.

    ``handed_over`` counts what a provider took, whatever became of it; ``delivered`` what he says arrived,
    ``failed`` what will never arrive, ``waiting`` what may still go out.
    """

    name: str
    waiting: int
    handed_over: Figure
    delivered: Figure
    failed: int


@dataclass(frozen=True, slots=True)
class Accounts:
    """People with an account. ``erased`` were addressed and have left since: nobody can say who they were."""

    addressed: Figure
    erased: int
    channels: tuple[Channel, ...]
    shown: Figure
    opened: Figure
    confirmed: Figure


@dataclass(frozen=True, slots=True)
class Contacts:
    """People without an account who are told by phone; ``confirmed`` are those who answered.

    Whether somebody looked who did not answer, nobody knows, so there is no number for it.
    """

    addressed: Figure
    erased: int
    channels: tuple[Channel, ...]
    confirmed: Figure


@dataclass(frozen=True, slots=True)
class Relays:
    """Posts and devices, not people."""

    asked: int
    told: int
    confirmed: int


@dataclass(frozen=True, slots=True)
class Place:
    """What the relays of one region estimate, and the share of those who live there."""

    region: str
    name: str
    relays: int
    estimated: Figure
    residents: Residents | None


@dataclass(frozen=True, slots=True)
class Estimated:
    """What relays said last, added up; the same person may stand before two of them."""

    people: Figure
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known about one notice; ``residents`` are those of its regions, None when unknown."""

    notice: str
    regions: tuple[str, ...]
    residents: Residents | None
    accounts: Accounts
    contacts: Contacts
    relays: Relays
    estimated: Estimated
