"""What people want to hear, how and when: read it, change it, and what other rooms of this plugin ask.

Defaults: the inbox has everything, a channel outside this site only what a person turned on himself.
Whoever goes by the defaults has no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import User
from keyun.errors import Forbidden, Invalid
from keyun.uow import UnitOfWork
from keyun_notices.preferences.fanout import (
    cap,
    caps,
    carries,
    collect,
    due,
    due_many,
    next_day,
    plan,
    usual_quiet,
    wanted,
)
from keyun_notices.preferences.models import ChosenChannel, Preference, TopicChoice
from keyun_notices.preferences.optout import (
    honour,
    optout_headers,
    optout_token,
    optout_url,
    stands,
)
from keyun_notices.preferences.topics import Topic, topic, topics

__all__ = [
    "Preferences",
    "TopicPreference",
    "Wish",
    "cap",
    "caps",
    "change",
    "collect",
    "due",
    "due_many",
    "honour",
    "impersonal",
    "next_day",
    "optout_headers",
    "optout_token",
    "optout_url",
    "plan",
    "preferences",
    "stands",
    "topic",
    "topics",
    "wanted",
]

EDIT = "notices.preferences.edit"
MOST_A_DAY = 50


@dataclass(frozen=True, slots=True)
class TopicPreference:
    """One topic of one person; ``channels`` are those that carry it now, ``narrowed`` when he chose them."""

    topic: Topic
    frequency: str
    channels: frozenset[str]
    narrowed: bool


@dataclass(frozen=True, slots=True)
class Preferences:
    """What holds for one person, defaults filled in; ``changed`` when anything differs from them.

    ``quiet_from`` and ``quiet_until`` are minutes of the local day, equal when no hour is quiet.
    """

    channels: frozenset[str]
    topics: Mapping[str, TopicPreference]
    inbox_only: bool
    impersonal: bool
    quiet_from: int
    quiet_until: int
    daily_cap: int
    changed: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for, whole: topics that are not named go by their defaults.

    ``topics`` are (frequency, channels) by name; channels None means those of the topic. An empty
    ``quiet`` or ``daily_cap`` means the default.
    """

    channels: frozenset[str] = frozenset()
    topics: Mapping[str, tuple[str, frozenset[str] | None]] | None = None
    inbox_only: bool = False
    impersonal: bool = False
    quiet: tuple[int, int] | None = None
    daily_cap: int | None = None


def own(actor: Actor, unit: UnitOfWork) -> User:
    """The account of ``actor``, whose preferences are his own alone.

    :raises Forbidden: for a visitor.
    """
    user = unit.session.get(User, actor.user_id) if actor.is_user else None
    if user is None:
        raise Forbidden("请先登录。 (Log in first.)")
    unit.require(actor, EDIT, user)
    return user


def preferences(actor: Actor, unit: UnitOfWork, user: User) -> Preferences:
    """What holds for ``user``."""
    unit.require(actor, EDIT, user)
    session = unit.session
    general = session.get(Preference, user.id)
    on = frozenset(session.scalars(sa.select(ChosenChannel.channel).where(ChosenChannel.user_id == user.id)))
    said = {t.topic: t for t in session.scalars(sa.select(TopicChoice).where(TopicChoice.user_id == user.id))}
    start, end = usual_quiet(unit)
    if general is not None and general.quiet_from is not None and general.quiet_until is not None:
        start, end = general.quiet_from, general.quiet_until
    most = unit.site.plugins.settings("notices")["daily_cap"]
    return Preferences(
        channels=on,
        topics={n: _shown(t, said.get(n), on) for n, t in topics(unit.site).items()},
        inbox_only=general is not None and general.inbox_only,
        impersonal=general is not None and general.impersonal,
        quiet_from=start,
        quiet_until=end,
        daily_cap=most if general is None or general.daily_cap is None else general.daily_cap,
        changed=bool(general or on or said),
    )


def _shown(about: Topic, said: TopicChoice | None, on: frozenset[str]) -> TopicPreference:
    narrowed = None if said is None else said.channels
    frequency = about.frequency if said is None else said.frequency
    return TopicPreference(about, frequency, carries(about, narrowed, on), narrowed is not None)


def change(actor: Actor, unit: UnitOfWork, user: User, wish: Wish, known: Iterable[str]) -> Preferences:
    """Put ``wish`` in the place of what ``user`` asked for before; what is a default leaves no row.

    ``known`` are the channels that can be chosen here. What was said of topics and
    channels of plugins that are off stays.

    :raises Invalid: for a channel or topic that does not exist, or a number out of bounds.
    """
    unit.require(actor, EDIT, user)
    known, known_topics = frozenset(known), topics(unit.site)
    _check(wish, known, known_topics)
    # One at a time for each person: two forms sent at once end as one of them, not as a mixture.
    unit.session.execute(sa.select(User.id).where(User.id == user.id).with_for_update())
    _write_general(unit, user.id, wish)
    _write_channels(unit, user.id, wish.channels, known)
    _write_topics(unit, user.id, wish.topics or {}, known_topics)
    unit.session.flush()
    unit.record("preferences.changed", "user", user.id, actor, by="account")
    return preferences(actor, unit, user)


def _check(wish: Wish, known: frozenset[str], known_topics: Mapping[str, Topic]) -> None:
    wrong: dict[str, list[str]] = {}
    named = set(wish.channels).union(*(c or () for _f, c in (wish.topics or {}).values()))
    if odd := sorted(named - known):
        wrong["channels"] = [f"这里没有渠道 {'、'.join(odd)}。 (No such channel here.)"]
    if odd := sorted((wish.topics or {}).keys() - known_topics.keys()):
        wrong["topics"] = [f"没有主题 {'、'.join(odd)}。 (No such topic.)"]
    if wish.daily_cap is not None and not 1 <= wish.daily_cap <= MOST_A_DAY:
        wrong["daily_cap"] = [f"须在 1 至 {MOST_A_DAY} 之间。 (1 to {MOST_A_DAY}.)"]
    if wrong:
        raise Invalid(" ".join(text for texts in wrong.values() for text in texts), wrong)


def _write_general(unit: UnitOfWork, user_id: int, wish: Wish) -> None:
    usual = unit.site.plugins.settings("notices")["daily_cap"]
    quiet = wish.quiet if wish.quiet is not None and wish.quiet != usual_quiet(unit) else None
    most = wish.daily_cap if wish.daily_cap != usual else None
    unit.session.execute(sa.delete(Preference).where(Preference.user_id == user_id))
    if not (wish.inbox_only or wish.impersonal or quiet or most):
        return
    row = {
        "user_id": user_id,
        "inbox_only": wish.inbox_only,
        "impersonal": wish.impersonal,
        "quiet_from": quiet[0] if quiet else None,
        "quiet_until": quiet[1] if quiet else None,
        "daily_cap": most,
        "changed_at": unit.now,
    }
    unit.session.execute(sa.insert(Preference).values(row))


def _write_channels(unit: UnitOfWork, user_id: int, channels: frozenset[str], known: frozenset[str]) -> None:
    """Turned off goes, turned on comes; what stays keeps the moment at which it was chosen."""
    mine = ChosenChannel.user_id == user_id
    before = set(unit.session.scalars(sa.select(ChosenChannel.channel).where(mine)))
    unit.session.execute(sa.delete(ChosenChannel).where(mine, ChosenChannel.channel.in_(known - channels)))
    new = [{"user_id": user_id, "channel": c, "chosen_at": unit.now} for c in sorted(channels - before)]
    if new:
        unit.session.execute(sa.insert(ChosenChannel), new)


def _write_topics(
    unit: UnitOfWork,
    user_id: int,
    said: Mapping[str, tuple[str, frozenset[str] | None]],
    known: Mapping[str, Topic],
) -> None:
    mine = (TopicChoice.user_id == user_id, TopicChoice.topic.in_(list(known)))
    unit.session.execute(sa.delete(TopicChoice).where(*mine))
    rows: list[dict[str, Any]] = [
        {
            "user_id": user_id,
            "topic": name,
            "frequency": frequency,
            "channels": sorted(channels) if channels is not None else None,
        }
        for name, (frequency, channels) in sorted(said.items())
        if (frequency, channels) != (known[name].frequency, None)
    ]
    if rows:
        unit.session.execute(sa.insert(TopicChoice), rows)


def impersonal(unit: UnitOfWork, user_id: int) -> bool:
    """Whether ``user_id`` refuses what was chosen by more than the region. Open to rooms of this plugin."""
    query = sa.select(Preference.impersonal).where(Preference.user_id == user_id)
    return bool(unit.session.scalar(query))
