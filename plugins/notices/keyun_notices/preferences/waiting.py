"""What waits for whom, and by which channel it may come: asked when a digest is made, and when it is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from keyun.accounts import User
from keyun.uow import UnitOfWork
from keyun_notices.outbox.directory import channels
from keyun_notices.outbox.models import OutboxRow
from keyun_notices.preferences.audience import regional
from keyun_notices.preferences.fanout import NOT_SENT, carries
from keyun_notices.preferences.models import (
    AT_ONCE,
    DAILY,
    NEVER,
    WEEKLY,
    ChosenChannel,
    Digest,
    DigestItem,
    Preference,
    TopicChoice,
)
from keyun_notices.preferences.topics import Topic, topics
from keyun_notices.publishing.models import Notice

#: How many notices one digest takes; the others wait for the next one.
MOST = 50
#: What goes with a digest of each kind. Who gets a topic at once now may have something left from before.
TAKES = {DAILY: frozenset({DAILY, AT_ONCE}), WEEKLY: frozenset({WEEKLY})}
#: A digest is a text with links, so mail carries it before any other channel.
FIRST = "mail"


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
    """A notice that waits for one person, the channels that carry its topic to him, and the one it takes."""

    notice_id: int
    channels: frozenset[str]
    channel: str = ""


def select(
    unit: UnitOfWork, kind: str, before: dt.datetime, people: Sequence[int]
) -> dict[int, list[Waiting]]:
    """What goes into the digests of ``people``, oldest first; who has nothing is left out.

    Only what was queued ``before`` a moment, still holds, is not refused, and reaches the person.
    """
    habits = habits_of(unit, people)
    known = topics(unit.site)
    found: dict[int, list[Waiting]] = {}
    for user_id, notice_id, name, audience in unit.session.execute(_waiting(unit, before, habits)):
        habit = habits[user_id]
        if habit.impersonal and not regional(audience):
            continue
        frequency, carriers = habit.of(_topic(known, name))
        if frequency in TAKES[kind] and carriers:
            found.setdefault(user_id, []).append(Waiting(notice_id, carriers))
    placed = _placed(unit, found)
    return {user_id: items[:MOST] for user_id, items in placed.items() if items}


def _placed(unit: UnitOfWork, found: Mapping[int, Sequence[Waiting]]) -> dict[int, list[Waiting]]:
    """``found`` with the channel that each takes: the first that reaches the person. What none does waits."""
    known = channels(unit.site)
    placed: dict[tuple[int, int], str] = {}
    for name in sorted(known, key=lambda n: n != FIRST):
        open_ = {u for u, items in found.items() for i in items if _open(placed, u, i, name)}
        if open_ and "account" in known[name].kinds:
            reached = known[name].reaches(unit, "account", sorted(open_))
            placed |= {(u, i.notice_id): name for u in reached for i in found[u] if _open(placed, u, i, name)}
    return {
        u: [replace(i, channel=placed[u, i.notice_id]) for i in items if (u, i.notice_id) in placed]
        for u, items in found.items()
    }


def _open(placed: Mapping[tuple[int, int], str], user_id: int, item: Waiting, name: str) -> bool:
    return name in item.channels and (user_id, item.notice_id) not in placed


def habits_of(unit: UnitOfWork, people: Iterable[int]) -> dict[int, Habits]:
    """What those of ``people`` ask for who take anything outside this site; closed accounts take nothing."""
    session = unit.session
    found: dict[int, Habits] = {}
    on = sa.select(ChosenChannel.user_id, ChosenChannel.channel).join(User, User.id == ChosenChannel.user_id)
    on = on.where(ChosenChannel.user_id.in_(list(people)), User.active.is_(True))
    for user_id, channel in session.execute(on):
        found.setdefault(user_id, Habits()).channels.add(channel)
    said = sa.select(TopicChoice.user_id, TopicChoice.topic, TopicChoice.frequency, TopicChoice.channels)
    for user_id, topic, frequency, only in session.execute(said.where(TopicChoice.user_id.in_(list(found)))):
        found[user_id].topics[topic] = (frequency, only)
    general = sa.select(Preference.user_id, Preference.inbox_only, Preference.impersonal)
    for user_id, inbox_only, impersonal in session.execute(
        general.where(Preference.user_id.in_(list(found)))
    ):
        if inbox_only:
            del found[user_id]
        elif impersonal:
            found[user_id] = replace(found[user_id], impersonal=True)
    return found


def active(now: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions for notices that hold: neither superseded nor cancelled, and not over."""
    ends = sa.or_(Notice.expires_at.is_(None), Notice.expires_at > now)
    return Notice.state == "published", ends


def contents(unit: UnitOfWork, digest_id: int, channel: str) -> Sequence[Notice]:
    """The notices of a digest that go by ``channel``, still hold, and are not refused; by topic and age.

    Asked again when it is sent: a digest may have waited through quiet hours. Open to the outbox.
    """
    owner = unit.session.scalar(sa.select(Digest.user_id).where(Digest.id == digest_id))
    habit = habits_of(unit, [owner]).get(owner) if owner is not None else None
    if habit is None:
        return ()
    query = (
        sa.select(Notice)
        .join(DigestItem, DigestItem.notice_id == Notice.id)
        .where(DigestItem.digest_id == digest_id, DigestItem.channel == channel, *active(unit.now))
        .order_by(Notice.id)
    )
    known = topics(unit.site)
    order = {name: n for n, name in enumerate(known)}
    found = [n for n in unit.session.scalars(query) if _takes(habit, _topic(known, n.topic), n, channel)]
    return sorted(found, key=lambda n: (order.get(n.topic, len(order)), n.id))


def _takes(habit: Habits, topic: Topic, notice: Notice, channel: str) -> bool:
    frequency, carriers = habit.of(topic)
    refused = habit.impersonal and not regional(notice.audience)
    return frequency != NEVER and channel in carriers and not refused


def _waiting(unit: UnitOfWork, before: dt.datetime, people: Iterable[int]) -> sa.Select[Any]:
    """What waits for ``people`` and still holds. That something is over is told to who heard of it only."""
    query: sa.Select[Any] = (
        sa.select(DigestItem.user_id, Notice.id, Notice.topic, Notice.audience)
        .join(Notice, Notice.id == DigestItem.notice_id)
        .where(
            DigestItem.user_id.in_(list(people)),
            DigestItem.digest_id.is_(None),
            DigestItem.queued_at < before,
            *active(unit.now),
            sa.or_(Notice.kind != "cancel", _heard_of()),
        )
        .order_by(DigestItem.user_id, Notice.id)
    )
    return query


def _heard_of() -> sa.ColumnElement[bool]:
    """That an earlier notice of the thread reached the person outside this site, in a digest or at once."""
    earlier, told = aliased(Notice), aliased(DigestItem)
    thread = (earlier.thread == Notice.thread, earlier.id != Notice.id)
    digested = (
        sa.select(told.notice_id)
        .join(earlier, earlier.id == told.notice_id)
        .where(told.user_id == DigestItem.user_id, told.digest_id.is_not(None), *thread)
    )
    sent = (
        sa.select(OutboxRow.id)
        .join(earlier, earlier.id == OutboxRow.notice_id)
        .where(
            OutboxRow.user_id == DigestItem.user_id,
            OutboxRow.recipient_kind == "account",
            OutboxRow.state.not_in(NOT_SENT),
            *thread,
        )
    )
    return sa.or_(digested.exists(), sent.exists())


def _topic(known: Mapping[str, Topic], name: str) -> Topic:
    return known.get(name) or Topic(name, name, name)
