"""Whom a notice reaches without an account, frozen with it; the outbox asks for the number when it sends."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from keyun.accounts import User
from keyun.uow import UnitOfWork
from keyun_notices.contacts import bits
from keyun_notices.contacts.models import ACTIVE, AddressedContact, Contact, ContactAudience
from keyun_notices.contacts.regions import covered
from keyun_notices.publishing.models import Notice, NoticeRegion
from keyun_notices.publishing.places import outermost

#: Regions that are looked up through the index.
MANY = 30
#: How long +86 is; numbers of accounts stand with or without it.
PREFIX = 3


def roots(unit: UnitOfWork, notice_id: int) -> list[str]:
    """The outermost regions a notice applies to, none inside another."""
    codes = unit.session.scalars(sa.select(NoticeRegion.region).where(NoticeRegion.notice_id == notice_id))
    return outermost(codes.all())


def without_account() -> sa.ColumnElement[bool]:
    """The condition that no active account has the number of a contact: that person is addressed there."""
    national = sa.func.substr(Contact.phone, PREFIX + 1)
    return sa.and_(
        *(~sa.exists().where(User.active.is_(True), User.phone == form) for form in (Contact.phone, national))
    )


def freeze_contacts(unit: UnitOfWork, notice: Notice) -> int:
    """Keep which contacts ``notice`` is addressed to; returns how many.

    Part of publishing, in its transaction, once: the service that publishes has checked the permission.
    Nobody is kept who withdrew, whose region lies outside, or who has an account with that number.
    """
    if not notice.contacts:
        return 0
    there = unit.session.scalars(sa.select(Contact.region).distinct()).all()
    where = covered(unit.site.regions, there, roots(unit, notice.id), unit.today)
    query = sa.select(Contact.id).where(Contact.state == ACTIVE, _within(where), without_account())
    ids = unit.session.connection().scalars(query).all()
    count = bits.keep(unit.session, AddressedContact, notice.id, ids)
    unit.session.add(ContactAudience(notice_id=notice.id, addressed=count, erased=0))
    return count


def _within(regions: Sequence[str]) -> sa.ColumnElement[bool]:
    """The condition for contacts of ``regions``; above :data:`MANY` it reads the table from end to end.

    Through the index SQLite would fetch row by row, all over the file.
    """
    if len(regions) <= MANY:
        return Contact.region.in_(regions)
    return sa.func.coalesce(Contact.region, "").in_(regions)


def audience(unit: UnitOfWork, notice_id: int) -> tuple[int, int]:
    """How many contacts a notice was addressed to, and how many of them were forgotten since."""
    row = unit.session.get(ContactAudience, notice_id)
    return (row.addressed, row.erased) if row is not None else (0, 0)
