"""Which relays are asked to pass a notice on, and what one of them is to pass on now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun.errors import Invalid
from keyun.uow import UnitOfWork
from keyun_notices.contacts import bits
from keyun_notices.contacts.addressing import roots, speaks_of
from keyun_notices.contacts.regions import covered
from keyun_notices.publishing.models import Notice, NoticeRegion
from keyun_notices.publishing.places import chain
from keyun_notices.relays.models import AddressedRelay, Relay

#: More notices than apply to one place at a time; the newest are shown.
MOST_NOTICES = 100


def freeze_relays(unit: UnitOfWork, notice: Notice) -> int:
    """Keep which relays are asked to pass ``notice`` on; returns how many.

    Part of publishing, in its transaction, once: the service that publishes has checked the permission.
    """
    if not notice.relays:
        return 0
    ids = chosen(unit, roots(unit, notice.id), notice.audience)
    return bits.keep(unit.session, AddressedRelay, notice.id, ids)


def chosen(unit: UnitOfWork, codes: Sequence[str], audience: Mapping[str, Any]) -> Sequence[int]:
    """The relays whose whole region lies inside ``codes``, where ``audience`` may mean somebody.

    Open: for services.
    """
    there = unit.session.scalars(sa.select(Relay.region).distinct()).all()
    where = speaks_of(unit, audience, covered(unit.site.regions, there, codes, unit.today))
    query = sa.select(Relay.id).where(Relay.active.is_(True), Relay.region.in_(where)).order_by(Relay.id)
    return unit.session.scalars(query).all()


def asked(unit: UnitOfWork, notice_id: int) -> int:
    """How many relays were asked to pass a notice on."""
    return bits.count(unit.session, AddressedRelay, notice_id)


def applies(unit: UnitOfWork, relay: Relay) -> sa.ColumnElement[bool]:
    """The condition for notices that ``relay`` may have to pass on now, also those older than itself."""
    here = sa.select(NoticeRegion.notice_id).where(
        NoticeRegion.region.in_(chain(unit.site.regions, relay.region, unit.today))
    )
    return sa.and_(
        sa.literal(relay.active),
        Notice.relays.is_(True),
        Notice.state == "published",
        Notice.starts_at <= unit.now,
        sa.or_(Notice.expires_at.is_(None), Notice.expires_at > unit.now),
        Notice.id.in_(here),
    )


def notices_for(unit: UnitOfWork, relay: Relay) -> Sequence[Notice]:
    """What ``relay`` is to pass on now, newest first. Open: whoever holds the relay may read it."""
    query = sa.select(Notice).where(applies(unit, relay))
    found = unit.session.scalars(query.order_by(Notice.id.desc()).limit(MOST_NOTICES))
    return [n for n in found if _means(unit, relay, n)]


def concerns(unit: UnitOfWork, relay: Relay, notice: Notice) -> bool:
    """Whether ``relay`` may say anything about ``notice``: it was asked, or is to pass it on now."""
    if bits.holds(unit.session, AddressedRelay, notice.id, relay.id):
        return True
    query = sa.select(Notice.id).where(Notice.id == notice.id, applies(unit, relay))
    return unit.session.scalar(query) is not None and _means(unit, relay, notice)


def _means(unit: UnitOfWork, relay: Relay, notice: Notice) -> bool:
    """Whether ``notice`` may mean somebody where ``relay`` stands; what cannot be read any more may."""
    try:
        return bool(speaks_of(unit, notice.audience, [relay.region]))
    except Invalid:
        return True


def follow(unit: UnitOfWork, note: Notice, ended: Sequence[int]) -> None:
    """Ask those relays to pass the note of a cancellation on that were asked about what it ended.

    Part of publishing, in its transaction; again is harmless.
    """
    unit.session.execute(sa.delete(AddressedRelay).where(AddressedRelay.notice_id == note.id))
    if note.relays:
        found = {number for n in ended for number in bits.read(unit.session, AddressedRelay, n)}
        bits.keep(unit.session, AddressedRelay, note.id, sorted(found))
