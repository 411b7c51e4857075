"""Put letters into the outbox, count what became of them, and let an operator look and try again."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import Actor
from keyun.db import is_sqlite
from keyun.errors import Conflict, Invalid, NotFound
from keyun.uow import UnitOfWork
from keyun_notices.outbox.models import (
    DELIVERED,
    FAILED,
    HANDED,
    HELD,
    KINDS,
    QUEUED,
    STATES,
    WAITING,
    OutboxCount,
    OutboxRow,
)
from keyun_notices.relays.models import Relay

#: Rows written with one statement.
CHUNK = 1000
LOOK, MANAGE = "notices.outbox.view", "notices.outbox.manage"
SEND_JOB, FANOUT_JOB = "notices.send", "notices.fanout"
ROW = cast("sa.Table", OutboxRow.__table__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One letter to put: a notice for one recipient by one channel.

    ``recipient_kind`` is account, contact, relay or digest; a digest has no notice, and ``user_id`` is
    the person it is for. ``urgent`` is the life-threat class.
    """

    notice_id: int | None
    recipient_kind: str
    recipient_id: int
    channel: str
    not_before: dt.datetime | None = None
    user_id: int | None = None
    urgent: bool = False

    def __post_init__(self) -> None:
        if self.recipient_kind not in KINDS or (self.notice_id is None) is not (
            self.recipient_kind == "digest"
        ):
            raise ValueError(f"{self.recipient_kind!r} does not go with notice {self.notice_id}")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many letters of one recipient kind and channel are in each state, folded ones included."""

    recipient_kind: str
    channel: str
    states: Mapping[str, int]

    @property
    def handed_over(self) -> int:
        """What a provider took, whatever became of it later."""
        return sum(self.states.get(s, 0) for s in (HANDED, DELIVERED, "bounced"))

    @property
    def waiting(self) -> int:
        """What may still go out."""
        return sum(self.states.get(s, 0) for s in (*WAITING, "sending"))


def put(unit: UnitOfWork, rows: Sequence[Delivery]) -> int:
    """Put letters into the outbox; those that stand there already are left as they are.

    Returns how many are new. Open to services of this plugin, which have checked who may send.
    """
    new = 0
    for start in range(0, len(rows), CHUNK):
        values = [_values(unit, r) for r in rows[start : start + CHUNK]]
        insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(ROW)
        written = insert.on_conflict_do_nothing().returning(ROW.c.id)
        new += len(unit.session.connection().execute(written, values).all())
    return new


def _values(unit: UnitOfWork, row: Delivery) -> dict[str, Any]:
    later = row.not_before is not None and row.not_before > unit.now
    return {
        "key": uuid.uuid4().hex,
        "notice_id": row.notice_id,
        "recipient_kind": row.recipient_kind,
        "recipient_id": row.recipient_id,
        "user_id": row.recipient_id if row.recipient_kind == "account" else row.user_id,
        "channel": row.channel,
        "urgent": row.urgent,
        "state": HELD if later else QUEUED,
        "attempts": 0,
        "not_before": row.not_before or unit.now,
        "provider": "",
        "reason": "",
        "created_at": unit.now,
        "changed_at": unit.now,
    }


def counts(unit: UnitOfWork, notice_id: int) -> list[Counts]:
    """What became of the letters of a notice, by recipient kind and channel.

    Open to services of this plugin: figures without a name in them.
    """
    found: dict[tuple[str, str], dict[str, int]] = {}
    live = sa.select(
        OutboxRow.recipient_kind, OutboxRow.channel, OutboxRow.state, sa.func.count().label("n")
    ).where(OutboxRow.notice_id == notice_id)
    live = live.group_by(OutboxRow.recipient_kind, OutboxRow.channel, OutboxRow.state)
    folded = sa.select(
        OutboxCount.recipient_kind, OutboxCount.channel, OutboxCount.state, OutboxCount.n
    ).where(OutboxCount.notice_id == notice_id)
    for query in (live, folded):
        for kind, channel, state, n in unit.session.execute(query):
            states = found.setdefault((kind, channel), {})
            states[state] = states.get(state, 0) + int(n)
    return [Counts(kind, channel, states) for (kind, channel), states in sorted(found.items())]


def listed(
    actor: Actor, unit: UnitOfWork, state: str | None = None, channel: str | None = None, limit: int = 200
) -> Sequence[OutboxRow]:
    """The newest letters, of one state and channel or all."""
    unit.require(actor, LOOK)
    if state is not None and state not in STATES:
        raise Invalid(f"state {state!r} is unknown; one of {', '.join(STATES)}")
    query = sa.select(OutboxRow).order_by(OutboxRow.id.desc()).limit(limit)
    if state is not None:
        query = query.where(OutboxRow.state == state)
    if channel is not None:
        query = query.where(OutboxRow.channel == channel)
    return unit.session.scalars(query).all()


def retry(actor: Actor, unit: UnitOfWork, row_id: int) -> None:
    """Queue a letter that failed once more, under the same key.

    :raises Conflict: when it did not fail: what may have arrived is never sent again.
    """
    unit.require(actor, MANAGE)
    if unit.session.scalar(sa.select(OutboxRow.id).where(OutboxRow.id == row_id)) is None:
        raise NotFound(f"there is no letter {row_id} in the outbox; see `keyun notices outbox`")
    change = sa.update(ROW).where(ROW.c.id == row_id, ROW.c.state == FAILED)
    again = change.values(
        state=QUEUED, attempts=0, reason="", not_before=unit.now, changed_at=unit.now, owner=None
    )
    if unit.session.connection().execute(again).rowcount != 1:
        raise Conflict(
            f"letter {row_id} did not fail, so it is not sent again; only those in state 'failed' are"
        )
    unit.enqueue(SEND_JOB, key=SEND_JOB)


def states(unit: UnitOfWork) -> dict[tuple[str, str], int]:
    """How many letters there are by channel and state. Open: figures without a name in them."""
    query = sa.select(OutboxRow.channel, OutboxRow.state, sa.func.count()).group_by(
        OutboxRow.channel, OutboxRow.state
    )
    return {(channel, state): int(n) for channel, state, n in unit.session.execute(query)}


def oldest(unit: UnitOfWork) -> dict[str, dt.datetime]:
    """Since when the oldest letter of each channel waits; what quiet hours or caps hold does not wait.

    Open: figures without a name in them.
    """
    since = sa.case((OutboxRow.state == HELD, OutboxRow.not_before), else_=OutboxRow.created_at)
    query = sa.select(OutboxRow.channel, sa.func.min(since)).where(
        OutboxRow.state.in_(WAITING), sa.or_(OutboxRow.state == QUEUED, OutboxRow.not_before <= unit.now)
    )
    return {c: at for c, at in unit.session.execute(query.group_by(OutboxRow.channel)) if at is not None}


def due_count(unit: UnitOfWork) -> int:
    """How many letters are due and have not gone. Open: a figure without a name in it."""
    query = sa.select(sa.func.count()).where(OutboxRow.state.in_(WAITING), OutboxRow.not_before <= unit.now)
    return int(unit.session.scalar(query) or 0)


def relay_exists(unit: UnitOfWork, public_id: str) -> bool:
    """Whether there is a relay of this id. Open: the operator asks at the command line."""
    return unit.session.scalar(sa.select(Relay.id).where(Relay.public_id == public_id)) is not None
