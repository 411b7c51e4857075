"""Join on the page: type a number, get a code by SMS, type the code. Every number gets the same answer."""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import anonymous
from keyun.db import is_sqlite, public_id
from keyun.errors import Conflict, Invalid
from keyun.messages import Message, Undeliverable, can_send
from keyun.uow import UnitOfWork
from keyun_notices.contacts.allowance import take, tidy
from keyun_notices.contacts.consent import Given, agree
from keyun_notices.contacts.models import PAGE, Contact, Joining
from keyun_notices.contacts.phones import digest, normalised
from keyun_notices.contacts.regions import known

if TYPE_CHECKING:
    from keyun.site import Site

CODE_JOB = "notices.join-code"
CHANNEL = "sms"
DIGITS = 6
GOOD_FOR = dt.timedelta(minutes=10)
MOST_TRIES = 5
DAY, HOUR, MINUTE = dt.timedelta(days=1), dt.timedelta(hours=1), dt.timedelta(minutes=1)
#: Codes for one number in a day, from one address in an hour, and of the whole site in an hour.
A_DAY, AN_ORIGIN, A_SITE = 5, 20, 600
TOO_MANY = "验证码要得太勤，请过一会儿再试，或改用短信订阅。 (Too many codes; try again later.)"
NO_SMS = "本站还不能发验证码，请发短信订阅或到科协服务点登记。 (This site cannot send codes; ask the staff.)"


def available(site: Site) -> bool:
    """Whether a code can be sent here."""
    return can_send(site, CHANNEL)


def ask(unit: UnitOfWork, phone: str, region: str, origin: str) -> str:
    """Send a code to ``phone``; returns the ticket that belongs to it. Open to everyone, and bounded.

    ``origin`` is the address of the client; only its keyed hash is counted.

    :raises Invalid: when number or region is wrong, or codes are asked for too often.
    :raises Conflict: when no code can be sent here.
    """
    number, where = normalised(phone), known(unit.site.regions, region)
    if not available(unit.site):
        raise Conflict(NO_SMS)
    own = digest(unit.site, number)
    asked = digest(unit.site, f"origin {origin}")
    allowed = (
        take(unit, digest(unit.site, "site"), A_SITE, HOUR)
        and take(unit, asked, AN_ORIGIN, HOUR)
        and take(unit, digest(unit.site, f"minute {number}"), 1, MINUTE)
        and take(unit, digest(unit.site, f"day {number}"), A_DAY, DAY)
    )
    if not allowed:
        raise Invalid(TOO_MANY, {"phone": [TOO_MANY]})
    code = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
    ticket = secrets.token_urlsafe(16)
    values = {
        "ticket": ticket,
        "phone": number,
        "region": where,
        "code": digest(unit.site, f"{ticket} {code}"),
        "tries": 0,
        "expires_at": unit.now + GOOD_FOR,
    }
    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    row = insert(Joining).values(digest=own, **values)
    unit.session.execute(row.on_conflict_do_update(index_elements=["digest"], set_=values))
    unit.enqueue(CODE_JOB, ticket=ticket, code=code, message_id=public_id())
    return ticket


def confirm(unit: UnitOfWork, ticket: str, code: str) -> Contact | None:
    """Make the owner of the code a contact; None when it is wrong, used or too old.

    Open to everyone: the code proves that the number is his. A try counts also when it was wrong, so
    the caller commits and then says no. One code is good for one contact, whoever is first.
    """
    tried = unit.session.execute(
        sa.update(Joining)
        .where(Joining.ticket == ticket, Joining.tries < MOST_TRIES, Joining.expires_at > unit.now)
        .values(tries=Joining.tries + 1)
        .returning(Joining.code, Joining.phone, Joining.region)
        .execution_options(synchronize_session=False)
    ).first()
    typed = digest(unit.site, f"{ticket} {''.join(code.split())[: DIGITS + 1]}")
    if tried is None or not hmac.compare_digest(tried.code, typed):
        return None
    used = sa.delete(Joining).where(Joining.ticket == ticket, Joining.code == typed)
    gone = unit.session.execute(used.execution_options(synchronize_session=False))
    if not gone.rowcount:  # type: ignore[attr-defined]
        return None
    return agree(anonymous(), unit, Given(tried.phone, tried.region, PAGE, unit.now, "网页验证码"))


def send_code(site: Site, ticket: str, code: str, message_id: str) -> None:
    """Hand the code over to whoever sends SMS; the job that calls this leaves no row.

    :raises Undeliverable: when nobody does.
    """
    with site.reading() as unit:
        row = unit.session.scalars(sa.select(Joining).where(Joining.ticket == ticket)).first()
        if row is None or row.expires_at <= unit.now:
            return
        phone = row.phone
    title = site.runtime.config.site["title"]
    minutes = int(GOOD_FOR.total_seconds() // 60)
    text = f"【{title}】订阅验证码 {code}，{minutes} 分钟内有效。不是您本人操作请忽略。"
    # Templates of gateways carry a title; the code must stand in it.
    message = Message(message_id, CHANNEL, phone, f"订阅验证码 {code}", text, "notices.join-code")
    if not site.plugins.message_send(message):
        raise Undeliverable("nobody sends SMS here; configure a gateway in [plugin.notices]")


def clean(unit: UnitOfWork) -> int:
    """Drop numbers that were typed and never confirmed, and old counts; returns the number of rows."""
    old = sa.delete(Joining).where(Joining.expires_at <= unit.now)
    gone = unit.session.execute(old.execution_options(synchronize_session=False))
    return int(gone.rowcount) + tidy(unit, DAY)  # type: ignore[attr-defined]
