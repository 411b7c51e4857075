"""What the fan-out asks for many people at once: who gets a notice by what, from when, and how often a day.

One query for each 4,096 ids, none for a single person. Whoever chose no channel outside this site is
not even read.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.accounts import User
from keyun.db import is_sqlite
from keyun.uow import UnitOfWork
from keyun_notices.outbox.models import BOUNCED, DROPPED, FAILED, OutboxRow
from keyun_notices.preferences.models import (
    AT_ONCE,
    KINDS,
    ChosenChannel,
    DigestItem,
    Preference,
    SentCount,
    TopicChoice,
)
from keyun_notices.preferences.quiet import after_quiet, minutes
from keyun_notices.preferences.topics import Topic, topic

__all__ = ["INBOX", "Plan", "cap", "caps", "collect", "due", "due_many", "next_day", "plan", "wanted"]

#: The channel that is always there: neither quiet hours nor caps concern it.
INBOX = "inbox"
CHUNK_BITS = 12
#: States of letters that reached nobody.
NOT_SENT = (BOUNCED, DROPPED, FAILED)


@dataclass(frozen=True, slots=True)
class Chosen:
    """How often one person wants one topic, and by which channels outside this site."""

    frequency: str
    channels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who gets a notice at once, by channel, and who gets it in a digest; sorted ids."""

    at_once: Mapping[str, Sequence[int]]
    digest: Sequence[int]


def plan(
    unit: UnitOfWork,
    user_ids: Iterable[int],
    name: str,
    channels: Iterable[str],
    *,
    life: bool = False,
    personal: bool = False,
    notice_id: int | None = None,
) -> Plan:
    """Who of ``user_ids`` gets a notice of the topic ``name`` at once by each of ``channels``, and who later.

    One of the life-threat class (``life``) goes to everybody by every channel, whatever he asked for.
    ``personal`` says that it was chosen by more than the region: who refuses that gets no message.
    With ``notice_id``, for whom it waits already goes on waiting: a fan-out that runs again decides anew
    about others only.
    """
    # Open to the jobs of this plugin; nobody asks for it by page or API.
    if life:
        everybody = sorted(set(user_ids))
        return Plan({c: everybody for c in channels}, ())
    found = chosen(unit, user_ids, topic(unit.site, name), personal=personal)
    waits = _waits(unit, notice_id, found) if notice_id is not None else frozenset()
    at_once: dict[str, list[int]] = {c: [] for c in channels}
    digest: list[int] = []
    for user_id in sorted(found):
        one = found[user_id]
        if user_id in waits:
            digest.append(user_id)
        elif one.frequency == AT_ONCE:
            for channel in one.channels & at_once.keys():
                at_once[channel].append(user_id)
        elif one.frequency in KINDS:
            digest.append(user_id)
    return Plan(at_once, digest)


def wanted(
    unit: UnitOfWork,
    user_ids: Iterable[int],
    topic: str,
    channel: str,
    life: bool = False,
    *,
    personal: bool = False,
) -> set[int]:
    """Who of ``user_ids`` takes ``topic`` by ``channel`` at once; see :func:`plan`."""
    ids = list(user_ids)
    if channel == INBOX:
        return set(ids)
    return set(plan(unit, ids, topic, (channel,), life=life, personal=personal).at_once[channel])


def collect(unit: UnitOfWork, notice_id: int, user_ids: Sequence[int]) -> None:
    """Keep a notice for the next digest of ``user_ids``, as :func:`plan` named them; again is harmless.

    Who got it at once, or is about to, is left out: he may have changed his mind since.
    """
    got: set[int] = set()
    for ids in _chunks(user_ids):
        sent = sa.select(OutboxRow.recipient_id).where(
            OutboxRow.notice_id == notice_id,
            OutboxRow.recipient_kind == "account",
            OutboxRow.state.not_in(NOT_SENT),
            _within(OutboxRow.recipient_id, ids),
        )
        got.update(unit.session.scalars(sent))
    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    rows = [
        {"user_id": u, "notice_id": notice_id, "queued_at": unit.now, "digest_id": None, "channel": None}
        for u in user_ids
        if u not in got
    ]
    for start in range(0, len(rows), 1000):
        unit.session.execute(insert(DigestItem).on_conflict_do_nothing(), rows[start : start + 1000])


def _waits(unit: UnitOfWork, notice_id: int, user_ids: Iterable[int]) -> frozenset[int]:
    """For which of ``user_ids`` the notice stands in a digest, or waits for one."""
    found: set[int] = set()
    for ids in _chunks(user_ids):
        query = sa.select(DigestItem.user_id).where(
            DigestItem.notice_id == notice_id, _within(DigestItem.user_id, ids)
        )
        found.update(unit.session.scalars(query))
    return frozenset(found)


def chosen(
    unit: UnitOfWork, user_ids: Iterable[int], about: Topic, *, personal: bool = False
) -> dict[int, Chosen]:
    """What those of ``user_ids`` chose who take ``about`` by at least one channel outside this site."""
    found: dict[int, Chosen] = {}
    for ids in _chunks(user_ids):
        on: dict[int, set[str]] = {}
        said: dict[int, tuple[str | None, Any]] = {}
        for user_id, channel, frequency, channels, impersonal in unit.session.execute(
            _query(ids, about.name)
        ):
            if user_id in ids and not (personal and impersonal):
                on.setdefault(user_id, set()).add(channel)
                said[user_id] = (frequency, channels)
        for user_id, channels in on.items():
            frequency, narrowed = said[user_id]
            carried = carries(about, narrowed, channels)
            if carried:
                found[user_id] = Chosen(frequency or about.frequency, carried)
    return found


def carries(about: Topic, narrowed: Sequence[str] | None, on: Iterable[str]) -> frozenset[str]:
    """Which of the channels that are ``on`` carry a topic, when a person ``narrowed`` them down or not."""
    only = narrowed if narrowed is not None else about.channels
    return frozenset(on) if only is None else frozenset(on) & frozenset(only)


def _query(ids: set[int], name: str) -> sa.Select[Any]:
    columns: Sequence[Any] = (
        ChosenChannel.user_id,
        ChosenChannel.channel,
        TopicChoice.frequency,
        TopicChoice.channels,
        sa.func.coalesce(Preference.impersonal, sa.false()),
    )
    query: sa.Select[Any] = (
        sa.select(*columns)
        .outerjoin(
            TopicChoice, sa.and_(TopicChoice.user_id == ChosenChannel.user_id, TopicChoice.topic == name)
        )
        .outerjoin(Preference, Preference.user_id == ChosenChannel.user_id)
        .where(
            _within(ChosenChannel.user_id, ids),
            sa.func.coalesce(Preference.inbox_only, sa.false()).is_(sa.false()),
        )
    )
    return query


def due(unit: UnitOfWork, user_id: int, channel: str, now: dt.datetime, life: bool = False) -> dt.datetime:
    """The moment from which the quiet hours of ``user_id`` allow a message by ``channel``."""
    return due_many(unit, (user_id,), now, life=life or channel == INBOX)[user_id]


def due_many(
    unit: UnitOfWork, user_ids: Iterable[int], now: dt.datetime, *, life: bool = False
) -> dict[int, dt.datetime]:
    """From which moment on each of ``user_ids`` may get a message; the life-threat class waits for nobody."""
    if life:
        return dict.fromkeys(user_ids, now)
    zone, usual = unit.site.timezone, usual_quiet(unit)
    most = after_quiet(now, *usual, zone)
    found: dict[int, dt.datetime] = {}
    for ids in _chunks(user_ids):
        found |= dict.fromkeys(ids, most)
        query = sa.select(Preference.user_id, Preference.quiet_from, Preference.quiet_until).where(
            _within(Preference.user_id, ids)
        )
        for user_id, start, end in unit.session.execute(query):
            if user_id in ids and start is not None and end is not None:
                found[user_id] = after_quiet(now, start, end, zone)
    return found


def usual_quiet(unit: UnitOfWork) -> tuple[int, int]:
    """The quiet hours of people who said nothing, as minutes of the local day."""
    settings = unit.site.plugins.settings("notices")
    return minutes(settings["quiet_from"]), minutes(settings["quiet_until"])


def cap(unit: UnitOfWork, user_id: int, now: dt.datetime, life: bool = False) -> bool:
    """Whether one more message may go out to ``user_id`` today; when it may, it is counted."""
    return caps(unit, (user_id,), now, life=life)[0]


def caps(unit: UnitOfWork, user_ids: Sequence[int], now: dt.datetime, *, life: bool = False) -> list[bool]:
    """For each of ``user_ids`` in turn whether one more message may go out today; those that may are counted.

    This is the one place where messages are counted, so no plugin and no channel gets around it. The
    count is a conditional upsert: of two at the same time, the last free place goes to one. Messages of
    the life-threat class pass and are not counted.
    """
    if life:
        return [True] * len(user_ids)
    left = Counter(user_ids)
    granted: Counter[int] = Counter()
    while left:
        passed = {u for ids in _chunks(left) for u in _count_one(unit, ids, now)}
        granted.update(passed)
        # Who was refused once is refused for today.
        left = Counter({u: n - 1 for u, n in left.items() if u in passed and n > 1})
    answers = []
    for user_id in user_ids:
        answers.append(granted[user_id] > 0)
        granted[user_id] -= 1
    return answers


def _count_one(unit: UnitOfWork, ids: set[int], now: dt.datetime) -> Iterable[int]:
    """Count one message for each of ``ids`` who has a place left, and return these."""
    session = unit.session
    day = now.astimezone(unit.site.timezone).date()
    insert = (sqlite.insert if is_sqlite(session) else postgresql.insert)(SentCount)
    # From the accounts, in the order of ids: who is gone has no row, and two workers cannot wait in a ring.
    people = sa.select(User.id, sa.literal(day, sa.Date), sa.literal(1, sa.SmallInteger))
    people = people.where(User.id.in_(sorted(ids))).order_by(User.id)
    # Written out: as a column it would bring its table into the subquery once more.
    counted_user = sa.literal_column("notices_sent.user_id", sa.Integer)
    own = sa.select(Preference.daily_cap).where(Preference.user_id == counted_user).scalar_subquery()
    most = sa.func.coalesce(own, unit.site.plugins.settings("notices")["daily_cap"])
    counted = insert.from_select(["user_id", "day", "sent"], people).on_conflict_do_update(
        index_elements=["user_id", "day"], set_={"sent": SentCount.sent + 1}, where=SentCount.sent < most
    )
    return session.scalars(counted.returning(SentCount.user_id)).all()


def next_day(unit: UnitOfWork, now: dt.datetime) -> dt.datetime:
    """The moment at which a new local day begins, and with it the count."""
    zone = unit.site.timezone
    tomorrow = now.astimezone(zone).date() + dt.timedelta(days=1)
    return dt.datetime.combine(tomorrow, dt.time(), zone).astimezone(dt.UTC)


def _chunks(user_ids: Iterable[int]) -> Iterator[set[int]]:
    ids = sorted({int(u) for u in user_ids})
    for _chunk, group in groupby(ids, key=lambda u: u >> CHUNK_BITS):
        yield set(group)


def _within(column: Any, ids: set[int]) -> sa.ColumnElement[bool]:
    """Ids of one chunk as a range: the rows are few, and two parameters are quicker than thousands."""
    condition: sa.ColumnElement[bool] = column.between(min(ids), max(ids))
    return condition
