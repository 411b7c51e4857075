"""Count what a notice reached. Every number comes from the rows that somebody can look at."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from keyun.access import Actor
from keyun.errors import NotFound
from keyun.uow import UnitOfWork
from keyun_notices.contacts.addressing import audience, roots
from keyun_notices.contacts.receipts import confirmed
from keyun_notices.inbox.models import Receipt
from keyun_notices.outbox.services import Counts, counts
from keyun_notices.publishing.models import Notice
from keyun_notices.reach.population import Residents, of_all, residents
from keyun_notices.reach.values import (
    Accounts,
    Channel,
    Contacts,
    Estimated,
    Figure,
    Place,
    Reach,
    Relays,
)
from keyun_notices.relays.addressing import asked
from keyun_notices.relays.models import Passed, Relay

__all__ = ["find", "reach"]

READ = "notices.notice.read"
FAILED = ("bounced", "failed", "dropped")


def find(actor: Actor, unit: UnitOfWork, public_id: str) -> Notice:
    """The notice of ``public_id`` whose figures ``actor`` may see.

    :raises NotFound: when there is none, or it is not his to see.
    """
    found = unit.session.scalars(sa.select(Notice).where(Notice.public_id == public_id)).first()
    if found is None or not unit.site.access.allows(actor, READ, found):
        raise NotFound("没有这条通知。 (No such notice.)")
    return found


def reach(actor: Actor, unit: UnitOfWork, notice: Notice) -> Reach:
    """How many ``notice`` was addressed to, handed over to, shown to and confirmed by, each kind apart."""
    unit.require(actor, READ, notice)
    where = roots(unit, notice.id)
    living = of_all(unit, where)
    letters = counts(unit, notice.id)
    return Reach(
        notice=notice.public_id,
        regions=tuple(where),
        residents=living,
        accounts=_accounts(unit, notice, living, letters),
        contacts=_contacts(unit, notice, living, letters),
        relays=_relays(unit, notice, letters),
        estimated=_estimated(unit, notice, living),
    )


def figure(people: int, living: Residents | None) -> Figure:
    """``people`` with their share of the residents."""
    return Figure(people, people / living.people if living is not None and living.people else None)


def _accounts(
    unit: UnitOfWork, notice: Notice, living: Residents | None, letters: Sequence[Counts]
) -> Accounts:
    moments = (Receipt.shown_at, Receipt.opened_at, Receipt.acted_at)
    query = sa.select(*(sa.func.count(m) for m in moments)).where(Receipt.notice_id == notice.id)
    shown, opened, acted = tuple(unit.session.execute(query).one())
    return Accounts(
        addressed=figure(notice.addressed, living),
        erased=notice.erased,
        channels=_channels("account", living, letters),
        shown=figure(shown, living),
        opened=figure(opened, living),
        confirmed=figure(acted, living),
    )


def _contacts(
    unit: UnitOfWork, notice: Notice, living: Residents | None, letters: Sequence[Counts]
) -> Contacts:
    addressed, erased = audience(unit, notice.id)
    return Contacts(
        addressed=figure(addressed, living),
        erased=erased,
        channels=_channels("contact", living, letters),
        confirmed=figure(confirmed(unit, notice.id), living),
    )


def _channels(kind: str, living: Residents | None, letters: Sequence[Counts]) -> tuple[Channel, ...]:
    return tuple(
        Channel(
            name=c.channel,
            waiting=c.waiting,
            handed_over=figure(c.handed_over, living),
            delivered=figure(c.states.get("delivered", 0), living),
            failed=sum(c.states.get(s, 0) for s in FAILED),
        )
        for c in letters
        if c.recipient_kind == kind
    )


def _relays(unit: UnitOfWork, notice: Notice, letters: Sequence[Counts]) -> Relays:
    told = sum(c.handed_over for c in letters if c.recipient_kind == "relay")
    said = sa.select(sa.func.count()).select_from(Passed).where(Passed.notice_id == notice.id)
    return Relays(asked=asked(unit, notice.id), told=told, confirmed=unit.session.scalar(said) or 0)


def _estimated(unit: UnitOfWork, notice: Notice, living: Residents | None) -> Estimated:
    query = (
        sa.select(Relay.region, sa.func.count(), sa.func.sum(Passed.headcount))
        .join(Passed, Passed.relay_id == Relay.id)
        .where(Passed.notice_id == notice.id)
        .group_by(Relay.region)
        .order_by(Relay.region)
    )
    places = []
    for region, relays, people in unit.session.execute(query):
        there = residents(unit, region)
        name = unit.site.regions.name(region)
        places.append(Place(region, name, relays, figure(int(people), there), there))
    return Estimated(figure(sum(p.estimated.people for p in places), living), tuple(places))
