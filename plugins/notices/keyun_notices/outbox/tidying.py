"""What the outbox forgets: letters of notices that are over, old letters (folded into counts), old marks."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.db import is_sqlite
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox import transitions
from keyun_notices.outbox.fanout import DONE
from keyun_notices.outbox.models import (
    DROPPED,
    FINISHED,
    SENDING,
    UNCERTAIN,
    WAITING,
    DeadEndpoint,
    EarlyReceipt,
    Fanout,
    OutboxCount,
    OutboxRow,
    WechatCode,
)
from keyun_notices.publishing.models import Notice

#: Rows handled in one transaction, and transactions in one run.
CHUNK, RUNS = 1000, 50
#: A dead address may be somebody's again after this time: numbers are given anew.
DEAD_FOR = dt.timedelta(days=30)
#: A receipt for a letter that nobody knows.
EARLY_FOR = dt.timedelta(days=1)


def tidy(site: Site) -> None:
    """Drop what is over and fold what is old, in short transactions."""
    with site.reading() as unit:
        over = _over(unit)
    for notice_id in over:
        _end(site, notice_id)
    for _ in range(RUNS):
        with site.writing() as unit:
            if fold(unit) < CHUNK:
                break
    with site.writing() as unit:
        session = unit.session
        for row_id, provider, reference in session.execute(_early()).all():
            transitions.early(unit, provider, {reference: row_id})
        session.execute(sa.delete(DeadEndpoint).where(DeadEndpoint.at < unit.now - DEAD_FOR))
        session.execute(sa.delete(EarlyReceipt).where(EarlyReceipt.at < unit.now - EARLY_FOR))
        session.execute(sa.delete(WechatCode).where(WechatCode.good_until < unit.now))


def _early() -> sa.Select[int, str, str]:
    """Receipts that came in the very moment in which their letter was recorded, and missed each other."""
    same = sa.and_(OutboxRow.provider == EarlyReceipt.provider, OutboxRow.reference == EarlyReceipt.reference)
    found = sa.select(OutboxRow.id, EarlyReceipt.provider, EarlyReceipt.reference)
    return found.join(EarlyReceipt, same).limit(CHUNK)


def _over(unit: UnitOfWork) -> list[int]:
    """Notices that went out and are over since."""
    ended = sa.or_(Notice.state != "published", Notice.expires_at <= unit.now)
    query = sa.select(Fanout.notice_id).join(Notice, Notice.id == Fanout.notice_id)
    return list(unit.session.scalars(query.where(Fanout.over.is_(False), Fanout.stage == DONE, ended)))


def _end(site: Site, notice_id: int) -> None:
    for _ in range(RUNS):
        with site.writing() as unit:
            if transitions.drop_dead(unit, notice_id, CHUNK) == CHUNK:
                continue
            here = (Fanout.notice_id == notice_id, Fanout.stage == DONE)
            unit.session.execute(sa.update(Fanout).where(*here).values(over=True))
            return


def fold(unit: UnitOfWork) -> int:
    """Fold up to :data:`CHUNK` letters that ended long ago into counts; returns how many there were."""
    days: int = unit.site.plugins.settings("notices")["keep_days"]
    old = (
        sa.select(OutboxRow.id)
        .where(OutboxRow.state.in_(FINISHED), OutboxRow.changed_at < unit.now - dt.timedelta(days=days))
        .limit(CHUNK)
    )
    return _into_counts(unit, OutboxRow.id.in_(old))


def forget(unit: UnitOfWork, user_id: int) -> int:
    """Fold every letter to a person into counts, because he leaves; returns how many there were."""
    return _into_counts(unit, OutboxRow.user_id == user_id)


def forget_contact(unit: UnitOfWork, contact_id: int) -> int:
    """Fold every letter to a contact into counts, because he is forgotten; returns how many there were."""
    return _into_counts(
        unit, sa.and_(OutboxRow.recipient_kind == "contact", OutboxRow.recipient_id == contact_id)
    )


def _into_counts(unit: UnitOfWork, which: sa.ColumnElement[bool]) -> int:
    gone = (
        sa.delete(OutboxRow)
        .where(which)
        .returning(OutboxRow.notice_id, OutboxRow.recipient_kind, OutboxRow.channel, OutboxRow.state)
        .execution_options(synchronize_session=False)
    )
    rows = unit.session.execute(gone).all()
    counted = Counter((r[0], r[1], r[2], _final(r[3])) for r in rows if r[0] is not None)
    _add(unit, counted.items())
    return len(rows)


def _final(state: str) -> str:
    """What a letter ends as when it is deleted before its end."""
    if state in WAITING:
        return DROPPED
    return UNCERTAIN if state == SENDING else state


def _add(unit: UnitOfWork, counted: Iterable[tuple[tuple[Any, ...], int]]) -> None:
    rows = [
        {"notice_id": notice_id, "recipient_kind": kind, "channel": channel, "state": state, "n": n}
        for (notice_id, kind, channel, state), n in sorted(counted)
    ]
    if not rows:
        return
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(OutboxCount)
    key = ["notice_id", "recipient_kind", "channel", "state"]
    more = insert.on_conflict_do_update(index_elements=key, set_={"n": OutboxCount.n + insert.excluded.n})
    unit.session.connection().execute(more, rows)
