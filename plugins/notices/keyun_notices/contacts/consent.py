"""Give and withdraw consent: two conditional statements, and a row that says when and how.

A withdrawal works at once and takes the number with it. What stays is a keyed hash, so that a file
with an older consent does not bring the number back; only a later consent does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import Actor
from keyun.db import is_sqlite, public_id
from keyun.errors import Conflict
from keyun.uow import UnitOfWork
from keyun_notices.contacts.models import ACTIVE, WITHDRAWN, Consent, Contact
from keyun_notices.contacts.phones import digest

CONTACT = "notices.contact"
REFUSED = (
    "不能登记这个号码：它已退订而没有更晚的同意，或已由其他地区登记。请本人发短信或扫码订阅。"
    " (Not recorded: withdrawn after that consent, or registered elsewhere; let the person join himself.)"
)


@dataclass(frozen=True, slots=True)
class Given:
    """A consent: to what, in which ``way``, when, and what shows it."""

    phone: str
    region: str
    way: str
    at: dt.datetime
    evidence: str = ""


def agree(actor: Actor, unit: UnitOfWork, given: Given, within: Collection[str] | None = None) -> Contact:
    """Write down a consent; the number becomes a contact, or moves to the region.

    Open: whoever calls has shown that the number is his, or has checked the permission. ``within`` are
    the conditions of staff: an active contact is changed only when it lies in one of these regions.

    :raises Conflict: when it was withdrawn since, or lies elsewhere; one text for both.
    """
    own = digest(unit.site, given.phone)
    before = unit.session.execute(
        sa.select(Contact.state, Contact.region).where(Contact.digest == own)
    ).first()
    number = unit.session.scalar(_write(unit, given, own, within))
    if number is None:
        raise Conflict(REFUSED)
    unit.session.add(
        Consent(
            contact_id=number,
            given=True,
            way=given.way,
            region=given.region,
            at=given.at,
            recorded_by=actor.user_id,
            evidence=given.evidence,
        )
    )
    if before is None or before.state != ACTIVE:
        unit.record("contact.joined", CONTACT, number, actor, region=given.region, way=given.way)
    elif before.region != given.region:
        unit.record("contact.moved", CONTACT, number, actor, region=given.region, way=given.way)
    contact = unit.session.get_one(Contact, number)
    unit.session.refresh(contact)
    return contact


def _write(
    unit: UnitOfWork, given: Given, own: str, within: Collection[str] | None
) -> sa.sql.dml.ReturningInsert[int]:
    """The one statement that decides: whoever withdrew later, or lives elsewhere, is not touched."""
    from keyun.regions import subtree

    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    row = insert(Contact).values(
        public_id=public_id(),
        phone=given.phone,
        digest=own,
        region=given.region,
        state=ACTIVE,
        consented_at=given.at,
        created_at=unit.now,
    )
    here: sa.ColumnElement[bool] = sa.true()
    if within is not None:
        here = sa.or_(sa.false(), *(Contact.region.between(*subtree(r)) for r in within))
    may = sa.or_(sa.and_(Contact.state == ACTIVE, here), Contact.withdrawn_at < given.at)
    changed = row.on_conflict_do_update(
        index_elements=["digest"],
        set_={
            "phone": given.phone,
            "region": given.region,
            "state": ACTIVE,
            "consented_at": given.at,
            "withdrawn_at": None,
        },
        where=may,
    )
    return changed.returning(Contact.id)


def withdraw(actor: Actor, unit: UnitOfWork, contact_id: int, way: str) -> bool:
    """End a consent at once and drop the number; False when it had ended already.

    Open: whoever calls has shown that he is the contact, or has checked the permission.
    """
    changed = unit.session.execute(
        sa.update(Contact)
        .where(Contact.id == contact_id, Contact.state == ACTIVE)
        .values(state=WITHDRAWN, phone=None, withdrawn_at=unit.now)
        .returning(Contact.region)
        .execution_options(synchronize_session=False)
    ).first()
    if changed is None:
        return False
    unit.session.add(
        Consent(
            contact_id=contact_id,
            given=False,
            way=way,
            region=changed.region,
            at=unit.now,
            recorded_by=actor.user_id,
        )
    )
    unit.record("contact.withdrawn", CONTACT, contact_id, actor, region=changed.region, way=way)
    return True


def find(unit: UnitOfWork, phone: str) -> Contact | None:
    """The contact of ``phone`` in the form of E.164, active or withdrawn."""
    own = digest(unit.site, phone)
    return unit.session.scalars(sa.select(Contact).where(Contact.digest == own)).first()
