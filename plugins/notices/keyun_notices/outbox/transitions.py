"""Every change of a letter's state: conditional UPDATEs, forward only; the row count decides.

``queued``/``held`` → ``sending`` → ``handed-over`` → ``delivered`` or ``bounced``. A worker that dies while
it sends leaves ``sending`` behind; :func:`lost` finds it. What may have arrived becomes ``uncertain`` and is
never sent again, unless the provider recognises the key.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyun.uow import UnitOfWork
from keyun_notices.outbox.channels.protocol import Handed
from keyun_notices.outbox.models import (
    BOUNCED,
    DELIVERED,
    DROPPED,
    HANDED,
    HELD,
    QUEUED,
    SENDING,
    UNCERTAIN,
    WAITING,
    EarlyReceipt,
    OutboxRow,
)
from keyun_notices.publishing.models import Notice

#: Beyond the longest call, a worker that has not answered is taken for dead.
MARGIN = dt.timedelta(seconds=60)
REASON = 200
#: Where a receipt may still change something; a late one after a final state changes nothing.
OPEN_FOR_RECEIPT = (SENDING, UNCERTAIN, HANDED, QUEUED, HELD)


@dataclass(frozen=True, slots=True)
class Claim:
    """Letters that one worker holds, by the mark it left on them."""

    owner: str
    ids: frozenset[int]


def due(unit: UnitOfWork, channel: str, limit: int) -> Sequence[OutboxRow]:
    """Up to ``limit`` letters of ``channel`` that may go now: urgent ones first, then the longest waiting."""
    here = (OutboxRow.channel == channel, OutboxRow.state.in_(WAITING), OutboxRow.not_before <= unit.now)
    found: list[OutboxRow] = []
    for urgent in (True, False):
        query = sa.select(OutboxRow).where(*here, OutboxRow.urgent.is_(urgent))
        query = query.order_by(OutboxRow.not_before, OutboxRow.id).limit(limit - len(found))
        if len(found) < limit:
            found += unit.session.scalars(query)
    return found


def alive(now: dt.datetime) -> sa.ColumnElement[bool]:
    """The condition under which a letter may go: its notice is published and not over; a digest always."""
    good = sa.exists().where(
        Notice.id == OutboxRow.notice_id,
        Notice.state == "published",
        sa.or_(Notice.expires_at.is_(None), Notice.expires_at > now),
    )
    return sa.or_(OutboxRow.notice_id.is_(None), good)


def claim(unit: UnitOfWork, ids: Iterable[int], provider: str, timeout: float) -> Claim:
    """Take those of ``ids`` that still wait and whose notice is still good; nobody else can take them now."""
    owner = uuid.uuid4().hex
    mine = sa.select(OutboxRow.id).where(
        OutboxRow.id.in_(list(ids)), OutboxRow.state.in_(WAITING), alive(unit.now)
    )
    change = (
        sa.update(OutboxRow)
        .where(OutboxRow.id.in_(mine.with_for_update(skip_locked=True, of=OutboxRow)))
        .where(OutboxRow.state.in_(WAITING))
        .values(
            state=SENDING,
            owner=owner,
            provider=provider,
            attempts=OutboxRow.attempts + 1,
            # What a provider recognises, it recognises from the first time on.
            begun_at=sa.case((OutboxRow.owner.is_not(None), OutboxRow.begun_at), else_=unit.now),
            lease_until=unit.now + dt.timedelta(seconds=timeout) + MARGIN,
            changed_at=unit.now,
        )
        .returning(OutboxRow.id)
        .execution_options(synchronize_session=False)
    )
    return Claim(owner, frozenset(unit.session.scalars(change)))


def handed(unit: UnitOfWork, provider: str, owner: str, taken: Mapping[int, Handed]) -> None:
    """The provider took these letters; one whose receipt was quicker only gets its reference."""
    for delivered in (True, False):
        part = {i: h.reference[:120] or None for i, h in taken.items() if h.delivered is delivered}
        if not part:
            continue
        known: dict[str, Any] = {
            "reference": sa.case(part, value=OutboxRow.id),
            "handed_at": unit.now,
            "changed_at": unit.now,
        }
        mine = sa.update(OutboxRow).where(OutboxRow.id.in_(part), OutboxRow.owner == owner)
        first = mine.where(OutboxRow.state.in_((SENDING, UNCERTAIN)))
        first = first.values(state=DELIVERED if delivered else HANDED, reason="", **known)
        unit.session.connection().execute(first)
        final = mine.where(OutboxRow.state.in_((DELIVERED, BOUNCED)), OutboxRow.reference.is_(None))
        unit.session.connection().execute(final.values(**known))
    early(unit, provider, {h.reference[:120]: i for i, h in taken.items() if h.reference})


def early(unit: UnitOfWork, provider: str, references: Mapping[str, int]) -> None:
    """Apply the receipts that came before the references of these letters were known."""
    if not references:
        return
    came = (
        sa.delete(EarlyReceipt)
        .where(EarlyReceipt.provider == provider, EarlyReceipt.reference.in_(references))
        .returning(EarlyReceipt.reference, EarlyReceipt.state, EarlyReceipt.reason)
        .execution_options(synchronize_session=False)
    )
    for reference, state, reason in unit.session.execute(came).all():
        receipt(unit, OutboxRow.id == references[reference], state, reason)


def receipt(unit: UnitOfWork, which: sa.ColumnElement[bool], state: str, reason: str) -> bool:
    """A receipt says that a letter arrived or bounced; the first one counts, whatever comes later."""
    values: dict[str, Any] = {"state": state, "reason": reason[:REASON]}
    if state == HANDED:
        return _change(unit, sa.and_(which, OutboxRow.state.in_((SENDING, UNCERTAIN))), **values)
    begun = sa.or_(OutboxRow.state.not_in(WAITING), OutboxRow.attempts > 0)
    return _change(
        unit,
        sa.and_(which, OutboxRow.state.in_(OPEN_FOR_RECEIPT), begun),
        handed_at=sa.func.coalesce(OutboxRow.handed_at, unit.now),
        **values,
    )


def again(
    unit: UnitOfWork,
    row_id: int,
    owner: str,
    at: dt.datetime,
    reason: str,
    *,
    counted: bool = True,
    doubtful: bool = False,
) -> bool:
    """Queue it for a later attempt; one by fault of the provider is not ``counted``.

    ``doubtful`` says that it may have been taken, so that it may go to the same provider only.
    """
    return _change(
        unit,
        _mine(row_id, owner),
        state=QUEUED,
        not_before=at,
        reason=reason[:REASON],
        owner=owner if doubtful else None,
        attempts=OutboxRow.attempts if counted else OutboxRow.attempts - 1,
    )


def released(unit: UnitOfWork, row_id: int, owner: str, until: dt.datetime, reason: str) -> bool:
    """Give a claim back before anything was handed over, as if it had never been."""
    return _change(
        unit,
        _mine(row_id, owner),
        state=HELD,
        not_before=until,
        reason=reason[:REASON],
        owner=None,
        begun_at=None,
        attempts=OutboxRow.attempts - 1,
    )


def asked_at(unit: UnitOfWork, row_id: int, owner: str, at: dt.datetime) -> bool:
    """Its fate is unknown: let the provider be asked at ``at``."""
    return _change(unit, _mine(row_id, owner), lease_until=at)


def ended(unit: UnitOfWork, row_id: int, owner: str, state: str, reason: str) -> bool:
    """A claimed letter failed for good (``failed``), or nobody can tell what became of it (``uncertain``)."""
    keep = OutboxRow.owner if state == UNCERTAIN else None
    return _change(unit, _mine(row_id, owner), state=state, reason=reason[:REASON], owner=keep)


def held(unit: UnitOfWork, row_id: int, until: dt.datetime, reason: str) -> bool:
    """Not now: quiet hours, or a cap."""
    waits = sa.and_(OutboxRow.id == row_id, OutboxRow.state.in_(WAITING))
    return _change(unit, waits, state=HELD, not_before=until, reason=reason[:REASON])


def given_up(unit: UnitOfWork, row_id: int, state: str, reason: str) -> bool:
    """A waiting letter ends before it was handed over: ``dropped``, or ``failed`` when it waited too long."""
    waits = sa.and_(OutboxRow.id == row_id, OutboxRow.state.in_(WAITING))
    return _change(unit, waits, state=state, reason=reason[:REASON])


def drop_dead(unit: UnitOfWork, notice_id: int, limit: int = 1000) -> int:
    """Drop up to ``limit`` waiting letters of a notice that is over; returns how many there were."""
    over = (
        sa.select(OutboxRow.id)
        .where(OutboxRow.notice_id == notice_id, OutboxRow.state.in_(WAITING), sa.not_(alive(unit.now)))
        .order_by(OutboxRow.id)
        .limit(limit)
    )
    change = sa.update(OutboxRow).where(OutboxRow.id.in_(over), OutboxRow.state.in_(WAITING))
    values = change.values(state=DROPPED, reason="the notice is over", changed_at=unit.now)
    return int(unit.session.connection().execute(values).rowcount)


def lost(unit: UnitOfWork, limit: int = 1000) -> Sequence[OutboxRow]:
    """Letters whose worker died, or is silent beyond its lease."""
    query = sa.select(OutboxRow).where(OutboxRow.state == SENDING, OutboxRow.lease_until < unit.now)
    return unit.session.scalars(query.order_by(OutboxRow.id).limit(limit)).all()


def resume(unit: UnitOfWork, row: OutboxRow, reason: str, *, doubtful: bool) -> bool:
    """Queue a lost letter again: it never came, or it is ``doubtful`` and the provider recognises it."""
    return again(unit, row.id, row.owner or "", unit.now, reason, doubtful=doubtful)


def left_behind(unit: UnitOfWork, row_id: int) -> bool:
    """A doubtful letter that its provider no longer recognises: let it be judged like a lost one."""
    waits = (OutboxRow.id == row_id, OutboxRow.state.in_(WAITING), OutboxRow.owner.is_not(None))
    return _change(unit, sa.and_(*waits), state=SENDING, lease_until=unit.now - dt.timedelta(seconds=1))


def _mine(row_id: int, owner: str) -> sa.ColumnElement[bool]:
    return sa.and_(OutboxRow.id == row_id, OutboxRow.owner == owner, OutboxRow.state == SENDING)


def _change(unit: UnitOfWork, where: sa.ColumnElement[bool], **values: Any) -> bool:
    change = sa.update(OutboxRow).where(where).values(changed_at=unit.now, **values)
    return bool(unit.session.connection().execute(change).rowcount)
