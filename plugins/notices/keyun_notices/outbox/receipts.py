"""What providers tell afterwards: that a letter arrived or bounced, and what people answer to it.

Receipts come twice, late, in any order, and before the worker has noted the provider's number. The first
final one counts; one that is too early waits in a table until the number is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.accounts import User
from keyun.db import is_sqlite
from keyun.uow import UnitOfWork
from keyun_notices.contacts import sms as words
from keyun_notices.contacts.phones import normalised
from keyun_notices.contacts.services import opt_in_by_sms
from keyun_notices.outbox import transitions
from keyun_notices.outbox.channels.protocol import Channel
from keyun_notices.outbox.directory import channels
from keyun_notices.outbox.failover import bury, next_channel
from keyun_notices.outbox.models import BOUNCED, DELIVERED, EarlyReceipt, OutboxRow
from keyun_notices.outbox.services import SEND_JOB
from keyun_notices.preferences.optout import ACCOUNT, honour, optout_token

#: How long +86 is; numbers of accounts stand with or without it.
CHINA = "+86"


@dataclass(frozen=True, slots=True)
class Said:
    """One receipt: about our ``key`` or the provider's ``reference``, and whether the address is dead."""

    key: str
    reference: str
    arrived: bool
    reason: str = ""
    dead: bool = False


def take(unit: UnitOfWork, provider: str, said: Iterable[Said]) -> int:
    """Apply receipts of ``provider``; returns how many changed something.

    Open: whoever calls has checked the signature.
    """
    known = channels(unit.site)
    return sum(_take(unit, known, provider, one) for one in said)


def _take(unit: UnitOfWork, known: Mapping[str, Channel], provider: str, said: Said) -> bool:
    query = sa.select(OutboxRow).where(OutboxRow.provider == provider)
    if said.key:
        query = query.where(OutboxRow.key == said.key)
    elif said.reference:
        query = query.where(OutboxRow.reference == said.reference)
    else:
        return False
    row = unit.session.scalars(query.limit(1)).first()
    state = DELIVERED if said.arrived else BOUNCED
    if row is None:
        if not said.key:
            _keep(unit, provider, said, state)
        return False
    if not transitions.receipt(unit, OutboxRow.id == row.id, state, said.reason):
        return False
    if not said.arrived:
        _bounced(unit, known, row, said)
    return True


def _bounced(unit: UnitOfWork, known: Mapping[str, Channel], row: OutboxRow, said: Said) -> None:
    channel = known.get(row.channel)
    if channel is None:
        return
    if said.dead:
        number = row.user_id if row.recipient_kind == "digest" else row.recipient_id
        kind = "account" if row.recipient_kind == "digest" else row.recipient_kind
        address = channel.reaches(unit, kind, [number]).get(number) if number is not None else None
        if address is not None:
            bury(unit, channel, row, address, said.reason)
    if next_channel(unit, known, row) is not None:
        unit.enqueue(SEND_JOB, key=SEND_JOB)


def _keep(unit: UnitOfWork, provider: str, said: Said, state: str) -> None:
    """Keep a receipt whose letter is not known yet; the first one counts."""
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(EarlyReceipt)
    row = insert.values(
        provider=provider, reference=said.reference, state=state, reason=said.reason[:200], at=unit.now
    )
    unit.session.execute(row.on_conflict_do_nothing())


def reply(unit: UnitOfWork, phone: str, text: str) -> str | None:
    """Do what somebody texted back and return the answer, None when none is due: 退订, TD, T or N stop it.

    It ends what goes to a contact and to the account with that verified number. Open: whoever calls has
    checked the signature, and the gateway knows who sent the text.

    :raises Invalid: when ``phone`` is no mobile number.
    """
    if is_stop(text):
        for public in _accounts(unit, normalised(phone)):
            honour(unit, optout_token(unit.site, ACCOUNT, public, channel="sms"))
    return opt_in_by_sms(unit, phone, text)


def is_stop(text: str) -> bool:
    """Whether somebody wants no more: 退订, TD, T, N and the like."""
    return words.read(text).verb == "stop"


def _accounts(unit: UnitOfWork, number: str) -> list[str]:
    forms = (number, number.removeprefix(CHINA))
    return list(unit.session.scalars(sa.select(User.public_id).where(User.phone.in_(forms))))


def gateway(settings: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The settings of the SMS gateway ``name``."""
    return next((s for s in settings["sms"] if s["name"] == name), None)
