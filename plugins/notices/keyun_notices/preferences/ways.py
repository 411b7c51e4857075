"""The channels outside this site that a person can choose, and whether they reach him."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox.directory import channels


@dataclass(frozen=True, slots=True)
class Way:
    """One channel as the page of preferences shows it, and whether it reaches the person."""

    name: str
    title: str
    title_en: str
    reaches: bool = True


def ways(site: Site) -> Mapping[str, Way]:
    """The channels for accounts that are configured here, in the order of the settings."""
    return {
        name: Way(name, c.title, c.title_en) for name, c in channels(site).items() if "account" in c.kinds
    }


def ways_to(unit: UnitOfWork, user_id: int) -> list[Way]:
    """The same channels, and whether each has an address of the person. Open: the caller shows his own."""
    known = channels(unit.site)
    return [
        Way(
            w.name,
            w.title,
            w.title_en,
            user_id in known[w.name].reaches(unit, "account", [user_id]),
        )
        for w in ways(unit.site).values()
    ]
