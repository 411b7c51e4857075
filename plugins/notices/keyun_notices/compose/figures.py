"""The figures of a notice as one row of a table: kept apart, and without anybody in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keyun.access import Actor
from keyun.uow import UnitOfWork
from keyun_notices.publishing.models import Notice
from keyun_notices.reach.services import reach
from keyun_notices.reach.values import Channel


def row(actor: Actor, unit: UnitOfWork, notice: Notice) -> dict[str, Any]:
    """One notice in an export, all kinds of people and all four numbers in columns of their own.

    :raises Forbidden: when ``actor`` may not look at the notice.
    """
    found = reach(actor, unit, notice)
    return {
        "id": notice.public_id,
        "title": notice.title,
        "topic": notice.topic,
        "kind": notice.kind,
        "life": notice.life,
        "state": notice.state,
        "region": notice.region or "",
        "published_at": notice.published_at.isoformat() if notice.published_at else "",
        "expires_at": notice.expires_at.isoformat() if notice.expires_at else "",
        "accounts_addressed": found.accounts.addressed.people,
        "accounts_erased": found.accounts.erased,
        "accounts_letters_handed_over": _handed(found.accounts.channels),
        "accounts_shown": found.accounts.shown.people,
        "accounts_opened": found.accounts.opened.people,
        "accounts_confirmed": found.accounts.confirmed.people,
        "contacts_addressed": found.contacts.addressed.people,
        "contacts_erased": found.contacts.erased,
        "contacts_letters_handed_over": _handed(found.contacts.channels),
        "contacts_confirmed": found.contacts.confirmed.people,
        "relays_asked": found.relays.asked,
        "relays_handed_over": found.relays.told,
        "relays_confirmed": found.relays.confirmed,
        "estimated_people": found.estimated.people.people,
        "residents": found.residents.people if found.residents else None,
        "residents_on": found.residents.on.isoformat() if found.residents else None,
    }


def _handed(channels: Sequence[Channel]) -> int:
    """Letters that a provider took, not people: somebody with two channels has two."""
    return sum(c.handed_over.people for c in channels)
