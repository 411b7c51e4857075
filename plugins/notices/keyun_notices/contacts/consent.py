"""Give and withdraw consent: two conditional statements, and a row that says when and how.

A withdrawal works at once and takes the number with it. What stays is a keyed hash, so that a file
with an older consent does not bring the number back; only a later consent does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import Actor
from keyun.db import is_sqlite, public_id
from keyun.errors import Conflict
from keyun.regions import subtree
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
    """Write down one consent (:func:`agree_many`); the number becomes a contact, or moves to the region.

    :raises Conflict: when it was withdrawn since, or lies elsewhere; one text for both.
    """
    own = digest(unit.site, given.phone)
    before = unit.session.execute(
        sa.select(Contact.state, Contact.region).where(Contact.digest == own)
    ).first()
    number = agree_many(actor, unit, {own: given}, within).get(own)
    if number is None:
        raise Conflict(REFUSED)
    if before is None or before.state != ACTIVE:
        unit.record("contact.joined", CONTACT, number, actor, region=given.region, way=given.way)
    elif before.region != given.region:
        unit.record("contact.moved", CONTACT, number, actor, region=given.region, way=given.way)
    return unit.session.get_one(Contact, number, populate_existing=True)


def agree_many(
    actor: Actor, unit: UnitOfWork, given: Mapping[str, Given], within: Collection[str] | None = None
) -> dict[str, int]:
    """Write down consents of different numbers, by the digest of each; returns the contacts of those taken.

    Open: whoever calls has shown that the numbers are his, or has checked the permission. ``within`` are
    the regions of staff: an active contact is changed only when it lies in one of them. Who withdrew
    since stays out. No event is recorded here.
    """
    rows = [_row(unit, own, one) for own, one in given.items()]
    taken = {own: number for number, own in unit.session.execute(_insert(unit, within), rows)}
    consents = [_consent(actor, number, given[own]) for own, number in taken.items()]
    if consents:
        unit.session.execute(sa.insert(Consent), consents)
    return taken


def _row(unit: UnitOfWork, own: str, given: Given) -> dict[str, Any]:
    return {
        "public_id": public_id(),
        "phone": given.phone,
        "digest": own,
        "region": given.region,
        "state": ACTIVE,
        "consented_at": given.at,
        "withdrawn_at": None,
        "created_at": unit.now,
    }


def _consent(actor: Actor, number: int, given: Given) -> dict[str, Any]:
    return {
        "contact_id": number,
        "given": True,
        "way": given.way,
        "region": given.region,
        "at": given.at,
        "recorded_by": actor.user_id,
        "evidence": given.evidence,
    }


def _insert(unit: UnitOfWork, within: Collection[str] | None) -> sa.sql.dml.ReturningInsert[int, str]:
    """The one statement that decides: whoever withdrew later, or lives elsewhere, is not touched."""
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(Contact)
    here: sa.ColumnElement[bool] = sa.true()
    if within is not None:
        here = sa.or_(sa.false(), *(Contact.region.between(*subtree(r)) for r in within))
    new = insert.excluded
    may = sa.or_(sa.and_(Contact.state == ACTIVE, here), Contact.withdrawn_at < new.consented_at)
    changed = insert.on_conflict_do_update(
        index_elements=["digest"],
        set_={n: new[n] for n in ("phone", "region", "state", "consented_at", "withdrawn_at")},
        where=may,
    )
    return changed.returning(Contact.id, Contact.digest)


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
