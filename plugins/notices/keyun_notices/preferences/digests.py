"""Daily and weekly digests: what waits for a person, in one message.

A notice waits as a row that the fan-out wrote in the transaction in which it decided that this person
does not get it at once. A digest takes the rows: each points to one digest at most, so nothing comes
twice; a row waits until a digest takes it, so a change of the frequency loses nothing. Whatever was
superseded, cancelled or has expired by then is left out, and without anything left there is no digest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.db import is_sqlite
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox.services import SEND_JOB, Delivery, put
from keyun_notices.preferences.fanout import due_many
from keyun_notices.preferences.models import KINDS, WEEKLY, Digest, DigestItem, DigestRun
from keyun_notices.preferences.waiting import Waiting, select

#: People looked at in one transaction.
CHUNK = 1000
#: How long what was sent, or could not be sent, is kept.
KEEP = dt.timedelta(days=35)
ITEM = cast("sa.Table", DigestItem.__table__)


@dataclass(frozen=True, slots=True)
class Period:
    """The day or week of a digest, named by its day: made when it ``begins``, and reaching up to there."""

    kind: str
    name: str
    begins: dt.datetime


def period(site: Site, kind: str, now: dt.datetime) -> Period:
    """The newest period of ``kind`` that has begun at ``now``."""
    settings = site.plugins.settings("notices")
    hour: int = settings["digest_hour"]
    local = now.astimezone(site.timezone)
    day = local.date() - dt.timedelta(days=1 if local.hour < hour else 0)
    if kind == WEEKLY:
        day -= dt.timedelta(days=(day.isoweekday() - settings["digest_weekday"]) % 7)
    begins = dt.datetime.combine(day, dt.time(hour), site.timezone)
    return Period(kind, day.isoformat(), begins.astimezone(dt.UTC))


def run(site: Site, kinds: Iterable[str] = KINDS) -> int:
    """Make every digest that is due, people by people in short transactions; returns how many were made.

    The last person looked at is written in the same transaction, so a killed run goes on where it was.
    """
    made = 0
    for kind in kinds:
        current = period(site, kind, site.runtime.clock())
        with site.writing() as unit:
            begin(unit, current)
        more = True
        while more:
            with site.writing() as unit:
                number, more = step(unit, current)
            made += number
    return made


def begin(unit: UnitOfWork, current: Period) -> None:
    """Start the run of a period, unless it has been started; a later period is never turned back."""
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(DigestRun)
    row = insert.values(kind=current.kind, period=current.name, watermark=0, finished=False)
    new = {"period": current.name, "watermark": 0, "finished": False}
    older = DigestRun.period < current.name
    unit.session.execute(row.on_conflict_do_update(index_elements=["kind"], set_=new, where=older))


def step(unit: UnitOfWork, current: Period) -> tuple[int, bool]:
    """Make the digests of the next people; returns how many, and whether there are more people."""
    session = unit.session
    # Locked, so that a second worker waits and then finds the watermark moved.
    mine = (DigestRun.kind == current.kind, DigestRun.period == current.name, DigestRun.finished.is_(False))
    watermark = session.scalar(sa.select(DigestRun.watermark).where(*mine).with_for_update())
    if watermark is None:
        return 0, False
    people = waiting_people(unit, current, watermark)
    made = make(unit, current, people) if people else 0
    more = len(people) == CHUNK
    values = {"watermark": people[-1] if people else watermark, "finished": not more}
    session.execute(sa.update(DigestRun).where(*mine).values(values))
    return made, more


def waiting_people(unit: UnitOfWork, current: Period, after: int) -> list[int]:
    """The next people for whom something may wait, in the order of their ids."""
    query = (
        sa.select(DigestItem.user_id)
        .where(
            DigestItem.user_id > after, DigestItem.digest_id.is_(None), DigestItem.queued_at < current.begins
        )
        .group_by(DigestItem.user_id)
        .order_by(DigestItem.user_id)
        .limit(CHUNK)
    )
    return list(unit.session.scalars(query))


def make(unit: UnitOfWork, current: Period, people: Sequence[int]) -> int:
    """Make the digests of ``people`` and put them into the outbox; returns how many."""
    chosen = select(unit, current.kind, current.begins, people)
    numbers = _rows(unit, current, sorted(chosen))
    pairs = [
        {"who": user_id, "what": item.notice_id, "number": number, "way": item.channel}
        for user_id, number in numbers.items()
        for item in chosen[user_id]
    ]
    if not pairs:
        return 0
    mine = (ITEM.c.user_id == sa.bindparam("who"), ITEM.c.notice_id == sa.bindparam("what"))
    take = sa.update(ITEM).where(*mine, ITEM.c.digest_id.is_(None))
    values: dict[str, Any] = {"digest_id": sa.bindparam("number"), "channel": sa.bindparam("way")}
    unit.session.connection().execute(take.values(values), pairs)
    return _send(unit, numbers)


def _rows(unit: UnitOfWork, current: Period, people: Sequence[int]) -> dict[int, int]:
    """The new digests of ``people`` by person; who has one of this period already is left out."""
    values = [
        {"user_id": u, "kind": current.kind, "period": current.name, "made_at": unit.now} for u in people
    ]
    if not values:
        return {}
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(Digest)
    made = insert.values(values).on_conflict_do_nothing().returning(Digest.user_id, Digest.id)
    return {user_id: number for user_id, number in unit.session.execute(made)}


def _send(unit: UnitOfWork, numbers: Mapping[int, int]) -> int:
    """Put what was taken into the outbox; a digest of which another run took everything is dropped."""
    session = unit.session
    query = sa.select(ITEM.c.digest_id, ITEM.c.channel).distinct()
    taken = session.execute(query.where(ITEM.c.digest_id.in_(list(numbers.values())))).all()
    full = {number for number, _channel in taken}
    if empty := [n for n in numbers.values() if n not in full]:
        session.execute(sa.delete(Digest).where(Digest.id.in_(empty)))
    owners = {number: user_id for user_id, number in numbers.items()}
    moments = due_many(unit, numbers, unit.now)
    letters = [
        Delivery(None, "digest", number, channel, moments[owners[number]], owners[number])
        for number, channel in sorted(taken)
    ]
    if put(unit, letters):
        unit.enqueue(SEND_JOB, key=SEND_JOB)
    return len(full)


def dry_run(site: Site, kinds: Iterable[str] = KINDS) -> list[dict[str, Any]]:
    """What a run would make now, by kind: figures without a name in them. Open to the operator."""
    found = []
    with site.reading() as unit:
        for kind in kinds:
            current = period(site, kind, unit.now)
            digests = notices = after = 0
            while people := waiting_people(unit, current, after):
                chosen = _without_one(unit, current, people)
                digests += len(chosen)
                notices += sum(len(items) for items in chosen.values())
                after = people[-1]
            found.append({"kind": kind, "period": current.name, "digests": digests, "notices": notices})
    return found


def _without_one(unit: UnitOfWork, current: Period, people: Sequence[int]) -> dict[int, list[Waiting]]:
    """What would go to those of ``people`` who have no digest of this period yet."""
    mine = (Digest.kind == current.kind, Digest.period == current.name, Digest.user_id.in_(people))
    done = set(unit.session.scalars(sa.select(Digest.user_id).where(*mine)))
    chosen = select(unit, current.kind, current.begins, people)
    return {user_id: items for user_id, items in chosen.items() if user_id not in done}


def tidy(unit: UnitOfWork) -> None:
    """Forget digests, and what waited in vain, after :data:`KEEP`. Open to the job of this room."""
    old = unit.now - KEEP
    unit.session.execute(sa.delete(Digest).where(Digest.made_at < old))
    waits = DigestItem.digest_id.is_(None)
    unit.session.execute(sa.delete(DigestItem).where(DigestItem.queued_at < old, waits))
