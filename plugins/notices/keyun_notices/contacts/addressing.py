"""Whom a notice reaches without an account, frozen with it; the outbox asks for the number when it sends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from pyroaring import BitMap

from keyun.accounts import User
from keyun.uow import UnitOfWork
from keyun_notices.audience.expression import All, Expression, Not, parse
from keyun_notices.audience.expression import Any as Any_
from keyun_notices.audience.facts import Facts, holds
from keyun_notices.audience.places import Settled
from keyun_notices.contacts import bits
from keyun_notices.contacts.models import ACTIVE, AddressedContact, Contact, ContactAudience
from keyun_notices.contacts.regions import covered
from keyun_notices.people.resident import attributes
from keyun_notices.preferences.audience import REGION, regional
from keyun_notices.publishing import frozen
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


def freeze_contacts(unit: UnitOfWork, notice: Notice) -> int:
    """Keep which contacts ``notice`` is addressed to; returns how many.

    Part of publishing, in its transaction, once, after its accounts are frozen: the service that
    publishes has checked the permission.
    """
    if not notice.contacts:
        return 0
    people = frozen.thaw(unit.session, [notice.id])
    ids = chosen(unit, roots(unit, notice.id), notice.audience, people)
    count = bits.keep(unit.session, AddressedContact, notice.id, ids)
    unit.session.add(ContactAudience(notice_id=notice.id, addressed=count, erased=0))
    return count


def chosen(
    unit: UnitOfWork, codes: Sequence[str], audience: Mapping[str, Any], people: BitMap
) -> Sequence[int]:
    """The contacts of ``codes`` that ``audience`` speaks of, beside the accounts ``people``.

    Open: for services. Only the region of a contact is known: an audience that asks for anything else
    has none. Nobody is among them who withdrew, or whose number belongs to one of ``people``: he is told
    there. An account that is not among them takes no SMS away.
    """
    if not regional(audience):
        return []
    there = unit.session.scalars(sa.select(Contact.region).distinct()).all()
    inside = covered(unit.site.regions, there, codes, unit.today)
    where = sa.and_(Contact.state == ACTIVE, _within(speaks_of(unit, audience, inside)))
    told = _with_account(unit, where, people)
    ids = unit.session.connection().scalars(sa.select(Contact.id).where(where))
    return [number for number in ids if number not in told]


def _with_account(unit: UnitOfWork, where: sa.ColumnElement[bool], people: BitMap) -> set[int]:
    """The contacts that have the number of one of ``people``."""
    national = sa.func.substr(Contact.phone, PREFIX + 1)
    found: set[int] = set()
    for form in (Contact.phone, national):
        query = sa.select(Contact.id, User.id).join(User, User.phone == form).where(where)
        found.update(contact for contact, user in unit.session.execute(query) if user in people)
    return found


def speaks_of(unit: UnitOfWork, audience: Mapping[str, Any], codes: Iterable[str]) -> list[str]:
    """Those of ``codes`` in which somebody may meet ``audience``, when nothing but his region is known."""
    settled = Settled(unit.site.regions, unit.today)
    expression = parse(audience, attributes(unit.site))
    return [code for code in codes if _possible(expression, code, settled)[0]]


def _possible(expression: Expression, code: str, settled: Settled) -> tuple[bool, bool]:
    """Whether ``expression`` may hold in the region ``code``, and whether it may not."""
    match expression:
        case All(parts):
            found = [_possible(p, code, settled) for p in parts]
            return all(yes for yes, _ in found), any(no for _, no in found)
        case Any_(parts):
            found = [_possible(p, code, settled) for p in parts]
            return any(yes for yes, _ in found), all(no for _, no in found)
        case Not(part):
            yes, no = _possible(part, code, settled)
            return no, yes
    if expression.attribute != REGION:
        return True, True
    there = holds(expression, Facts(0, values={REGION: frozenset((code,))}), settled)
    return there, not there


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
