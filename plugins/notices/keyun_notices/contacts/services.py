"""What staff, gateways and links do with contacts. Who is asked and how it is stored: the other modules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun.access import Actor, anonymous
from keyun.api import Page, page
from keyun.errors import Invalid, NotFound
from keyun.forms import load
from keyun.regions import subtree
from keyun.uow import UnitOfWork
from keyun_notices.contacts import bits, receipts, sms
from keyun_notices.contacts.allowance import take
from keyun_notices.contacts.consent import CONTACT, Given, agree, find, withdraw
from keyun_notices.contacts.models import (
    ACTIVE,
    FILE,
    SMS,
    STAFF,
    AddressedContact,
    Consent,
    Contact,
    ContactAudience,
    Joining,
)
from keyun_notices.contacts.phones import digest, normalised
from keyun_notices.contacts.regions import MOST_CHOICES, At, known, meant
from keyun_notices.contacts.schemas import ConsentSchema
from keyun_notices.outbox.tidying import forget_contact
from keyun_notices.publishing.models import Notice

__all__ = [
    "contact",
    "contacts",
    "forget",
    "held",
    "history",
    "opt_in_by_sms",
    "record_consent",
    "withdraw_contact",
]

MANAGE = "notices.contact.manage"
PAGE_SIZE = 50
#: How many texts of one number are answered in an hour; a stop is heeded always.
ANSWERS = 10
HOUR = dt.timedelta(hours=1)
LATER = "同意日期不能在今天之后。 (Consent cannot have been given after today.)"


def contacts(
    actor: Actor,
    unit: UnitOfWork,
    region: str | None = None,
    state: str | None = None,
    after: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Contact]:
    """A page of contacts of the actor's regions, newest first.

    :raises Invalid: when ``after`` is not the ``next`` of a page.
    """
    unit.require(actor, MANAGE)
    mine = unit.site.access.regions(actor, MANAGE)
    query = sa.select(Contact).where(sa.or_(sa.false(), *(Contact.region.between(*subtree(r)) for r in mine)))
    if region is not None:
        query = query.where(Contact.region.between(*subtree(region)))
    if state is not None:
        query = query.where(Contact.state == state)
    return page(unit.session, query, (Contact.id,), after=after, limit=limit)


def contact(actor: Actor, unit: UnitOfWork, public_id: str) -> Contact:
    """One contact of the actor's regions.

    :raises NotFound: when there is none, or it lies elsewhere.
    """
    unit.require(actor, MANAGE)
    found = unit.session.scalars(sa.select(Contact).where(Contact.public_id == public_id)).first()
    if found is None or not unit.site.access.allows(actor, MANAGE, found):
        raise NotFound("没有这个联系人。 (No such contact.)")
    return found


def history(actor: Actor, unit: UnitOfWork, found: Contact) -> Sequence[Consent]:
    """When and how a contact agreed and withdrew, newest first."""
    unit.require(actor, MANAGE, found)
    query = sa.select(Consent).where(Consent.contact_id == found.id).order_by(Consent.id.desc()).limit(100)
    return unit.session.scalars(query).all()


def record_consent(actor: Actor, unit: UnitOfWork, data: Mapping[str, Any]) -> Contact:
    """Write down that somebody agreed before the actor.

    :raises Invalid: when a value is missing or the day lies ahead.
    :raises Conflict: when the person withdrew since, or is registered elsewhere.
    """
    unit.require(actor, MANAGE)
    values = load(ConsentSchema(), data)
    unit.require(actor, MANAGE, At(known(unit.site.regions, values["region"])))
    return agree(actor, unit, given(unit, values, STAFF), unit.site.access.regions(actor, MANAGE))


def given(unit: UnitOfWork, values: Mapping[str, Any], way: str = FILE) -> Given:
    """The consent in the ``values`` of a form or a row; it counts from the beginning of its day.

    So one of the day of a withdrawal does not undo it.

    :raises Invalid: when the day lies ahead.
    """
    day: dt.date = values["consented_on"]
    if not dt.date(2000, 1, 1) <= day <= unit.today:
        raise Invalid(LATER, {"consented_on": [LATER]})
    at = dt.datetime.combine(day, dt.time(), tzinfo=unit.site.timezone)
    return Given(values["phone"], values["region"], way, at, values["evidence"])


def withdraw_contact(actor: Actor, unit: UnitOfWork, public_id: str) -> bool:
    """Withdraw for somebody who asked staff to; False when it was done already."""
    unit.require(actor, MANAGE)
    return withdraw(actor, unit, contact(actor, unit, public_id).id, STAFF)


def opt_in_by_sms(unit: UnitOfWork, phone: str, text: str) -> str | None:
    """Do what a text from ``phone`` asks for and return the answer, None when none is due.

    Open: the gateway that calls has proved itself, and it knows who sent the text. A stop works
    whatever else; a wish without a clear region is answered with a question, and changes nothing.

    :raises Invalid: when ``phone`` is no mobile number.
    """
    number, wish = normalised(phone), sms.read(text)
    title = unit.site.runtime.config.site["title"]
    if wish.verb == "stop":
        found = find(unit, number)
        if found is not None:
            withdraw(anonymous(), unit, found.id, SMS)
        answer = sms.stopped(title)
    elif wish.verb == "join":
        answer = _join(unit, number, wish.words, title)
    elif wish.verb == "read" and (about := _read(unit, number)) is not None:
        answer = sms.thanked(title, about.title)
    else:
        return None
    return answer if take(unit, digest(unit.site, f"sms {number}"), ANSWERS, HOUR) else None


def _read(unit: UnitOfWork, number: str) -> Notice | None:
    found = find(unit, number)
    return receipts.confirm(unit, found.id) if found is not None and found.state == ACTIVE else None


def _join(unit: UnitOfWork, number: str, words: str, title: str) -> str:
    tree = unit.site.regions
    found = meant(tree, unit.site.runtime.config.site["region"], words)
    if len(found) != 1:
        names = [f"{c.name}" if len({x.name for x in found}) == len(found) else c.code for c in found]
        return sms.which(title, names[:MOST_CHOICES])
    agree(anonymous(), unit, Given(number, found[0].code, SMS, unit.now, "短信订阅"))
    return sms.joined(title, tree.name(found[0].code))


def held(actor: Actor, unit: UnitOfWork, phone: str) -> dict[str, Any]:
    """Everything that is kept about a number, as plain data, to hand to its owner.

    :raises NotFound: when nothing is.
    """
    unit.require(actor, MANAGE)
    found = _of(actor, unit, phone)
    consents = unit.session.scalars(
        sa.select(Consent).where(Consent.contact_id == found.id).order_by(Consent.id)
    )
    chunk = sa.select(AddressedContact.notice_id).where(AddressedContact.chunk == found.id >> bits.SHIFT)
    numbers = [
        n for n in unit.session.scalars(chunk) if bits.holds(unit.session, AddressedContact, n, found.id)
    ]
    told = unit.session.execute(sa.select(Notice.title, Notice.published_at).where(Notice.id.in_(numbers)))
    return {
        "phone": found.phone,
        "region": found.region,
        "state": found.state,
        "consents": [
            {
                "given": c.given,
                "way": c.way,
                "region": c.region,
                "at": c.at.isoformat(),
                "evidence": c.evidence,
            }
            for c in consents
        ],
        "notices": [{"title": title, "published_at": at and at.isoformat()} for title, at in told],
    }


def forget(actor: Actor, unit: UnitOfWork, phone: str) -> None:
    """Delete everything about a number; counts keep a note that one person is missing.

    Unlike a withdrawal this keeps no hash either: an old file could bring the number back.

    :raises NotFound: when nothing is kept about it.
    """
    unit.require(actor, MANAGE)
    unit.session.execute(sa.delete(Joining).where(Joining.digest == digest(unit.site, normalised(phone))))
    found = _of(actor, unit, phone)
    notices = bits.clear(unit.session, AddressedContact, found.id)
    unit.session.execute(
        sa.update(ContactAudience)
        .where(ContactAudience.notice_id.in_(notices))
        .values(erased=ContactAudience.erased + 1)
        .execution_options(synchronize_session=False)
    )
    forget_contact(unit, found.id)
    unit.session.execute(sa.delete(Contact).where(Contact.id == found.id))
    unit.session.expunge(found)
    unit.record("contact.forgotten", CONTACT, found.id, actor, region=found.region, notices=len(notices))


def _of(actor: Actor, unit: UnitOfWork, phone: str) -> Contact:
    found = find(unit, normalised(phone))
    if found is None or not unit.site.access.allows(actor, MANAGE, found):
        raise NotFound("没有登记这个号码。 (Nothing is kept about this number.)")
    return found


def count(actor: Actor, unit: UnitOfWork) -> int:
    """How many active contacts there are in the actor's regions."""
    unit.require(actor, MANAGE)
    mine = unit.site.access.regions(actor, MANAGE)
    here = sa.or_(sa.false(), *(Contact.region.between(*subtree(r)) for r in mine))
    return unit.session.scalar(sa.select(sa.func.count()).where(Contact.state == ACTIVE, here)) or 0
