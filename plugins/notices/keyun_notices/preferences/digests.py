"""Daily and weekly digests: what waits for a person, in one message.

A notice waits as a row that the fan-out wrote in the transaction in which it decided that this person
does not get it at once. A digest takes the rows: each points to one digest at most, so nothing comes
twice; a row waits until a digest takes it, so a change of the frequency loses nothing. Whatever was
superseded, cancelled or has expired by then is left out, and without anything left there is no digest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from keyun.accounts import User
from keyun.db import is_sqlite
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox.models import OutboxRow
from keyun_notices.outbox.services import SEND_JOB, Delivery, put
from keyun_notices.preferences.audience import regional
from keyun_notices.preferences.fanout import carries, due_many
from keyun_notices.preferences.models import (
    AT_ONCE,
    DAILY,
    KINDS,
    WEEKLY,
    ChosenChannel,
    Digest,
    DigestItem,
    DigestRun,
    Preference,
    TopicChoice,
)
from keyun_notices.preferences.topics import Topic, topics
from keyun_notices.publishing.models import Notice

#: People looked at in one transaction.
CHUNK = 1000
#: How many notices one digest takes; the others wait for the next one.
MOST = 50
#: How long what was sent, or could not be sent, is kept.
KEEP = dt.timedelta(days=35)
#: What goes with a digest of each kind. Who gets a topic at once now may have something left from before.
TAKES = {DAILY: frozenset({DAILY, AT_ONCE}), WEEKLY: frozenset({WEEKLY})}


@dataclass(frozen=True, slots=True)
class Period:
    """The day or week of a digest, named by its day: made when it ``begins``, and reaching up to there."""

    kind: str
    name: str
    begins: dt.datetime


@dataclass(frozen=True, slots=True)
class Habits:
    """What one person asks for: the channels that are on, and what he said of topics."""

    channels: set[str] = field(default_factory=set)
    topics: dict[str, tuple[str, Sequence[str] | None]] = field(default_factory=dict)
    impersonal: bool = False

    def of(self, topic: Topic) -> tuple[str, frozenset[str]]:
        """How often ``topic`` comes and by which channels."""
        frequency, narrowed = self.topics.get(topic.name, (topic.frequency, None))
        return frequency, carries(topic, narrowed, self.channels)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that waits for one person, and the channels that carry its topic to him."""

    notice_id: int
    channels: frozenset[str]


def period(site: Site, kind: str, now: dt.datetime) -> Period:
    """The newest period of ``kind`` that has begun at ``now``."""
    settings = site.plugins.settings("notices")
    local = now.astimezone(site.timezone)
    day = local.date()
    if local.hour < settings["digest_hour"]:
        day -= dt.timedelta(days=1)
    if kind == WEEKLY:
        day -= dt.timedelta(days=(day.isoweekday() - settings["digest_weekday"]) % 7)
    begins = dt.datetime.combine(day, dt.time(settings["digest_hour"]), site.timezone)
    name = day.isoformat()
    return Period(kind, name, begins.astimezone(dt.UTC))


def run(site: Site, kinds: Iterable[str] = KINDS) -> int:
    """Make every digest that is due, people by people in short transactions; returns how many were made.

    The last person looked at is written in the same transaction, so a killed run goes on where it was.
    """
    made = 0
    for kind in kinds:
        current = period(site, kind, site.runtime.clock())
        with site.writing() as unit:
            begin(unit, current)
        while True:
            with site.writing() as unit:
                number, more = step(unit, current)
            made += number
            if not more:
                break
    return made


def begin(unit: UnitOfWork, current: Period) -> None:
    """Start the run of a period, unless it has been started; a later period is never turned back."""
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(DigestRun)
    row = insert.values(kind=current.kind, period=current.name, watermark=0, finished=False)
    new = {"period": current.name, "watermark": 0, "finished": False}
    older = DigestRun.period < current.name
    unit.session.execute(row.on_conflict_do_update(index_elements=["kind"], set_=new, where=older))


def step(unit: UnitOfWork, current: Period, size: int = CHUNK) -> tuple[int, bool]:
    """Make the digests of the next people; returns how many, and whether there are more people."""
    session = unit.session
    # Locked, so that a second worker waits and then finds the watermark moved.
    mine = (DigestRun.kind == current.kind, DigestRun.period == current.name, DigestRun.finished.is_(False))
    watermark = session.scalar(sa.select(DigestRun.watermark).where(*mine).with_for_update())
    if watermark is None:
        return 0, False
    people = waiting_people(unit, current, watermark, size)
    made = make(unit, current, people) if people else 0
    more = len(people) == size
    values = {"watermark": people[-1] if people else watermark, "finished": not more}
    session.execute(sa.update(DigestRun).where(*mine).values(values))
    return made, more


def waiting_people(unit: UnitOfWork, current: Period, after: int, size: int) -> list[int]:
    """The next people for whom something may wait, in the order of their ids."""
    query = (
        sa.select(DigestItem.user_id)
        .where(DigestItem.user_id > after, *_waits(current))
        .group_by(DigestItem.user_id)
        .order_by(DigestItem.user_id)
        .limit(size)
    )
    return list(unit.session.scalars(query))


def make(unit: UnitOfWork, current: Period, people: Sequence[int]) -> int:
    """Make the digests of ``people`` and put them into the outbox; returns how many."""
    chosen = select(unit, current, people)
    numbers = _rows(unit, current, sorted(chosen))
    pairs = [
        {"who": user_id, "what": item.notice_id, "number": number}
        for user_id, number in numbers.items()
        for item in chosen[user_id]
    ]
    if not pairs:
        return 0
    table = cast("sa.Table", DigestItem.__table__)
    mine = (table.c.user_id == sa.bindparam("who"), table.c.notice_id == sa.bindparam("what"))
    take = sa.update(table).where(*mine, table.c.digest_id.is_(None))
    unit.session.connection().execute(take.values(digest_id=sa.bindparam("number")), pairs)
    return _send(unit, numbers, chosen)


def select(unit: UnitOfWork, current: Period, people: Sequence[int]) -> dict[int, list[Waiting]]:
    """What goes into the digests of ``people``, oldest first; who has nothing is left out."""
    habits = habits_of(unit, people)
    known = topics(unit.site)
    found: dict[int, list[Waiting]] = {}
    for user_id, notice_id, name, audience in unit.session.execute(_waiting(unit, current, habits)):
        habit = habits[user_id]
        if habit.impersonal and not regional(audience):
            continue
        frequency, channels = habit.of(_topic(known, name))
        if frequency in TAKES[current.kind] and channels and len(found.get(user_id, ())) < MOST:
            found.setdefault(user_id, []).append(Waiting(notice_id, channels))
    return found


def habits_of(unit: UnitOfWork, people: Sequence[int]) -> dict[int, Habits]:
    """What those of ``people`` ask for who take anything outside this site."""
    session = unit.session
    within = tuple(people)
    found: dict[int, Habits] = {}
    for user_id, channel in session.execute(
        sa.select(ChosenChannel.user_id, ChosenChannel.channel).where(ChosenChannel.user_id.in_(within))
    ):
        found.setdefault(user_id, Habits()).channels.add(channel)
    said = sa.select(TopicChoice).where(TopicChoice.user_id.in_(list(found)))
    for choice in session.scalars(said):
        found[choice.user_id].topics[choice.topic] = (choice.frequency, choice.channels)
    general = sa.select(Preference.user_id, Preference.inbox_only, Preference.impersonal)
    for user_id, inbox_only, impersonal in session.execute(
        general.where(Preference.user_id.in_(list(found)))
    ):
        if inbox_only:
            del found[user_id]
        elif impersonal:
            found[user_id] = Habits(found[user_id].channels, found[user_id].topics, True)
    return found


def active(now: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions for notices that hold: neither superseded nor cancelled, and not over."""
    ends = sa.or_(Notice.expires_at.is_(None), Notice.expires_at > now)
    return Notice.state == "published", ends


def contents(unit: UnitOfWork, digest_id: int, channel: str | None = None) -> Sequence[Notice]:
    """The notices of a digest that still hold, by topic and age; with ``channel``, those it carries.

    Asked again when it is sent: a digest may have waited through quiet hours. Open to the outbox.
    """
    owner = unit.session.scalar(sa.select(Digest.user_id).where(Digest.id == digest_id))
    habit = habits_of(unit, [owner]).get(owner) if owner is not None else None
    if habit is None:
        return ()
    query = (
        sa.select(Notice)
        .join(DigestItem, DigestItem.notice_id == Notice.id)
        .where(DigestItem.digest_id == digest_id, *active(unit.now))
        .order_by(Notice.id)
    )
    known = topics(unit.site)
    found = []
    for notice in unit.session.scalars(query):
        if channel is None or channel in habit.of(_topic(known, notice.topic))[1]:
            found.append(notice)
    order = list(known)
    return sorted(found, key=lambda n: (order.index(n.topic) if n.topic in known else len(order), n.id))


def tidy(unit: UnitOfWork) -> None:
    """Forget digests, and what waited in vain, after :data:`KEEP`. Open to the job of this room."""
    old = unit.now - KEEP
    unit.session.execute(sa.delete(Digest).where(Digest.made_at < old))
    unit.session.execute(
        sa.delete(DigestItem).where(DigestItem.queued_at < old, DigestItem.digest_id.is_(None))
    )


def _waits(current: Period) -> tuple[sa.ColumnElement[bool], ...]:
    return (DigestItem.digest_id.is_(None), DigestItem.queued_at < current.begins)


def _waiting(unit: UnitOfWork, current: Period, people: Iterable[int]) -> sa.Select[Any]:
    """What waits for ``people`` and still holds. That something is over is told to who heard of it only."""
    query: sa.Select[Any] = (
        sa.select(DigestItem.user_id, Notice.id, Notice.topic, Notice.audience)
        .join(Notice, Notice.id == DigestItem.notice_id)
        .where(
            DigestItem.user_id.in_(list(people)),
            *_waits(current),
            *active(unit.now),
            sa.or_(Notice.kind != "cancel", _heard_of()),
        )
        .order_by(DigestItem.user_id, Notice.id)
    )
    return query


def _heard_of() -> sa.ColumnElement[bool]:
    """That an earlier notice of the thread reached the person outside this site, in a digest or at once."""
    earlier, told = aliased(Notice), aliased(DigestItem)
    digested = (
        sa.select(told.notice_id)
        .join(earlier, earlier.id == told.notice_id)
        .where(
            told.user_id == DigestItem.user_id, told.digest_id.is_not(None), earlier.thread == Notice.thread
        )
    )
    sent = (
        sa.select(OutboxRow.id)
        .join(earlier, earlier.id == OutboxRow.notice_id)
        .where(
            OutboxRow.user_id == DigestItem.user_id,
            OutboxRow.recipient_kind == "account",
            earlier.thread == Notice.thread,
        )
    )
    return sa.or_(digested.exists(), sent.exists())


def _rows(unit: UnitOfWork, current: Period, people: Sequence[int]) -> dict[int, int]:
    """The new digests of ``people`` by person; who has one of this period already is left out."""
    if not people:
        return {}
    here = set(unit.session.scalars(sa.select(User.id).where(User.id.in_(people), User.active.is_(True))))
    values = [
        {"user_id": u, "kind": current.kind, "period": current.name, "made_at": unit.now}
        for u in people
        if u in here
    ]
    if not values:
        return {}
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(Digest)
    made = insert.values(values).on_conflict_do_nothing().returning(Digest.user_id, Digest.id)
    return {user_id: number for user_id, number in unit.session.execute(made)}


def _send(unit: UnitOfWork, numbers: Mapping[int, int], chosen: Mapping[int, Sequence[Waiting]]) -> int:
    """Put what was taken into the outbox; a digest of which another run took everything is dropped."""
    session = unit.session
    taken: dict[int, set[int]] = {}
    query = sa.select(DigestItem.digest_id, DigestItem.notice_id)
    for number, notice_id in session.execute(query.where(DigestItem.digest_id.in_(list(numbers.values())))):
        taken.setdefault(number or 0, set()).add(notice_id)
    if empty := [n for n in numbers.values() if n not in taken]:
        session.execute(sa.delete(Digest).where(Digest.id.in_(empty)))
    moments = due_many(unit, numbers, unit.now)
    letters = [
        Delivery(None, "digest", number, channel, moments[user_id], user_id)
        for user_id, number in numbers.items()
        for channel in sorted(
            {c for item in chosen[user_id] if item.notice_id in taken.get(number, ()) for c in item.channels}
        )
    ]
    if put(unit, letters):
        unit.enqueue(SEND_JOB, key=SEND_JOB)
    return len(numbers) - len(empty)


def _topic(known: Mapping[str, Topic], name: str) -> Topic:
    return known.get(name) or Topic(name, name, name)


def dry_run(site: Site, kinds: Iterable[str] = KINDS) -> list[dict[str, Any]]:
    """What a run would make now, by kind: figures without a name in them. Open to the operator."""
    found = []
    with site.reading() as unit:
        for kind in kinds:
            current = period(site, kind, unit.now)
            made = notices = after = 0
            while people := waiting_people(unit, current, after, CHUNK):
                chosen = select(unit, current, people)
                done = _have_one(unit, current, chosen)
                made += len(chosen) - len(done)
                notices += sum(len(items) for user_id, items in chosen.items() if user_id not in done)
                after = people[-1]
            found.append({"kind": kind, "period": current.name, "digests": made, "notices": notices})
    return found


def _have_one(unit: UnitOfWork, current: Period, people: Iterable[int]) -> set[int]:
    mine = (Digest.kind == current.kind, Digest.period == current.name, Digest.user_id.in_(list(people)))
    return set(unit.session.scalars(sa.select(Digest.user_id).where(*mine)))
