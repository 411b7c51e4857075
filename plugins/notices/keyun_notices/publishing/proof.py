"""Who was addressed, provable later without naming anybody.

The frozen audience holds numbers of accounts. The seal over it lies in the notice and in the event log. What
leaves the database are pseudonyms: a keyed hash of the number that means something for one notice only. When
an account is erased, its bit is cleared and its number is no longer anybody's, so no pseudonym leads to him.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import User
from keyun.events import Event
from keyun.uow import UnitOfWork
from keyun_notices.inbox.membership import explain, was_addressed
from keyun_notices.inbox.models import Receipt
from keyun_notices.publishing import frozen
from keyun_notices.publishing.listing import detailed
from keyun_notices.publishing.models import Notice

PROVE = "notices.notice.prove"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the record of a notice proves.

    ``present`` are the people whose bits are set, ``seal`` what the stored set hashes to now. ``intact`` says
    whether the set is the one that was frozen: by its seal, and once people were erased by their number.
    """

    notice: dict[str, Any]
    body_hash: str
    definition: int
    present: int
    seal: str
    sealed: str
    logged: str
    intact: bool
    log: list[dict[str, Any]]


def prove(actor: Actor, unit: UnitOfWork, notice: Notice) -> Proof:
    """Hold the stored audience of ``notice`` against its seal and the event log."""
    unit.require(actor, PROVE, notice)
    stored = frozen.stored(unit.session, notice.id)
    seal, present = frozen.seal(*stored), len(frozen.unpack(*stored))
    query = sa.select(Event).where(Event.subject_type == "notice", Event.subject_id == notice.id)
    log = unit.session.scalars(query.order_by(Event.id)).all()
    logged = next((str(e.data["digest"]) for e in reversed(log) if "digest" in e.data), "")
    whole = present == notice.addressed - notice.erased
    same = notice.erased > 0 or seal == notice.digest
    return Proof(
        notice=detailed(unit, notice),
        body_hash=notice.body_hash,
        definition=notice.definition,
        present=present,
        seal=seal,
        sealed=notice.digest,
        logged=logged,
        intact=whole and same and logged in ("", notice.digest),
        log=[{"at": e.at.isoformat(), "event": e.name, **e.data} for e in log],
    )


def prove_person(actor: Actor, unit: UnitOfWork, notice: Notice, user: User) -> dict[str, Any]:
    """Whether one person was addressed, under which pseudonym, and how the conditions stand now."""
    unit.require(actor, PROVE, notice)
    receipt = unit.session.get(Receipt, (user.id, notice.id))
    # A cancellation has no conditions of its own.
    clause = None if notice.kind == "cancel" else explain(unit, user.id, notice)
    return {
        "pseudonym": pseudonym(notice, user.id),
        "addressed": was_addressed(unit, user.id, notice.id),
        "shown_at": receipt.shown_at if receipt else None,
        "opened_at": receipt.opened_at if receipt else None,
        "acted_at": receipt.acted_at if receipt else None,
        "conditions_now": clause.as_dict() if clause else None,
    }


def pseudonyms(actor: Actor, unit: UnitOfWork, notice: Notice) -> Iterator[str]:
    """The pseudonyms of all who stand in the audience, in an order that tells nothing."""
    unit.require(actor, PROVE, notice)
    yield from sorted(pseudonym(notice, number) for number in frozen.thaw(unit.session, [notice.id]))


def pseudonym(notice: Notice, user_id: int) -> str:
    """What a person is called in the proof of one notice."""
    return hmac.new(bytes.fromhex(notice.salt), str(user_id).encode(), hashlib.sha256).hexdigest()[:32]
