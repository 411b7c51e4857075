"""Whatever people, senders and the worker do in whatever order: never empty, never twice, nothing lost."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from keyun.accounts import User
from keyun.jobs import Worker
from keyun.testing import Clock, MakeSite
from keyun.testing.mail import MailServer, mail_server
from keyun_notices.outbox.fanout import fan_out
from keyun_notices.outbox.sending import send
from keyun_notices.outbox.services import put as put_into_outbox
from keyun_notices.preferences import digests
from keyun_notices.preferences.services import Wish
from keyun_notices.publishing.models import Notice

from .conftest import URL, World

TOPICS = ("general", "policies")
PEOPLE = ("li", "chen")
MAIL = frozenset({"mail"})
START = dt.datetime(2027, 3, 1, 1, 0, tzinfo=dt.UTC)
NUMBERS = st.integers(0, 2)
ACTIONS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(TOPICS), st.sampled_from([None, None, None, 5, 40])),
    st.tuples(st.just("update"), NUMBERS),
    st.tuples(st.just("cancel"), NUMBERS),
    st.tuples(
        st.just("choose"),
        st.sampled_from(PEOPLE),
        st.sampled_from(TOPICS),
        st.sampled_from(["at-once", "daily", "at-once", "daily", "weekly", "never"]),
    ),
    st.tuples(st.just("tick"), st.sampled_from([1, 9, 24, 50])),
    st.tuples(st.just("work")),
    st.tuples(st.just("kill"), st.integers(0, 2)),
    st.tuples(st.just("again"), NUMBERS),
)


class Killed(Exception):
    """The worker died here."""


@pytest.fixture
def mail() -> Iterator[MailServer]:
    """Where everything arrives."""
    with mail_server() as server:
        yield server


@dataclass
class Play:
    """What happened so far, and what must hold of it."""

    world: World
    people: dict[str, User]
    wants: dict[tuple[str, str], str] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    topics: dict[str, str] = field(default_factory=dict)
    #: What somebody refused at some time; it may reach him or not.
    refused: set[tuple[str, str]] = field(default_factory=set)
    seen: int = 0

    def publish(self, topic: str, hours: int | None, **more: Any) -> None:
        """Publish, and decide for everybody at once, as a worker does that has nothing else to do."""
        name = f"N{len(self.published)}"
        expires = None if hours is None else self.world.clock() + dt.timedelta(hours=hours)
        self.published.append(name)
        self.topics[name] = topic
        self.world.publish(name, title=name, topic=topic, expires_at=expires, **more)
        self.refused |= {(p, name) for p in PEOPLE if self.wants[p, topic] == "never"}
        with self.world.site.reading() as unit:
            number = unit.session.scalars(sa.select(Notice.id).where(Notice.ikey == name)).one()
        fan_out(self.world.site, number)

    def update(self, number: int) -> None:
        if number < len(self.published):
            name = self.published[number]
            self.publish(self.topics[name], None, kind="update", refers_to=(name,))

    def cancel(self, number: int) -> None:
        if number < len(self.published):
            self.world.cancel(self.published[number])

    def choose(self, person: str, topic: str, frequency: str) -> None:
        self.wants[person, topic] = frequency
        if frequency == "never":
            self.refused |= {(person, n) for n in self.published if self.topics[n] == topic}
        said = {t: (self.wants[person, t], None) for t in TOPICS}
        self.world.wants(self.people[person], Wish(MAIL, said, daily_cap=50))

    def tick(self, hours: int) -> None:
        self.world.clock.tick(dt.timedelta(hours=hours))

    def work(self) -> None:
        """Everything that is due; the repeated jobs of others would only take time."""
        Worker(self.world.site).drain()
        digests.run(self.world.site)
        send(self.world.site)
        for letter in self.world.mail.received[self.seen :]:
            self.check(letter["To"].partition("@")[0], letter["Subject"], letter)
        self.seen = len(self.world.mail.received)

    def check(self, person: str, subject: str, letter: Any) -> None:
        """A digest holds something, and what it holds is in force; who wants digests gets nothing at once."""
        if "通知摘要" in subject:
            assert lines(letter)
            assert set(lines(letter)) <= self.in_force()
        else:
            name = subject.removeprefix("已解除：")
            assert self.wants[person, self.topics[name]] == "at-once"

    def in_force(self) -> set[str]:
        """What may be told now."""
        now, told = self.world.clock(), set()
        with self.world.site.reading() as unit:
            for notice in unit.session.scalars(sa.select(Notice).where(Notice.state == "published")):
                if notice.expires_at is None or notice.expires_at > now:
                    told.add(f"已解除：{notice.title}" if notice.kind == "cancel" else notice.title)
        return told

    def kill(self, after: int) -> None:
        """The worker dies while it makes digests, after some of them."""
        calls = [after]

        def put(*arguments: Any) -> int:
            if not calls[0]:
                raise Killed
            calls[0] -= 1
            return put_into_outbox(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("keyun_notices.preferences.digests.put", put)
            try:
                digests.run(self.world.site)
            except Killed:
                return

    def again(self, number: int) -> None:
        """A fan-out runs once more, as when its worker died at the very end."""
        with self.world.site.reading() as unit:
            ids = unit.session.scalars(sa.select(Notice.id).order_by(Notice.id)).all()
        if number < len(ids):
            fan_out(self.world.site, ids[number])

    def end(self) -> None:
        """More than a week in which nothing else happens, and the worker wakes at noon."""
        noon = self.world.clock().replace(hour=4)
        self.world.clock.now = noon if noon > self.world.clock() else noon + dt.timedelta(days=1)
        for _ in range(9):
            self.work()
            self.tick(24)
        self.work()
        with self.world.site.reading() as unit:
            rows = unit.session.execute(sa.select(Notice.ikey, Notice.state, Notice.expires_at)).all()
        lasting = {key for key, state, expires in rows if state == "published" and expires is None}
        for person in PEOPLE:
            counts = Counter(told(self.world.letters(person)))
            assert all(n == 1 for n in counts.values()), counts
            owed = {n for n in lasting & set(self.published) if (person, n) not in self.refused}
            assert owed <= counts.keys()


def lines(letter: Any) -> list[str]:
    """The entries of a digest."""
    text = letter.get_body(("plain",)).get_content()
    return [line[2:] for line in text.splitlines() if line.startswith("· ")]


def told(letters: Sequence[Any]) -> Iterator[str]:
    """What letters say, digests taken apart."""
    for letter in letters:
        if "通知摘要" in letter["Subject"]:
            yield from lines(letter)
        else:
            yield letter["Subject"]


#: How many plays; on PostgreSQL a database for each takes most of the time.
PLAYS = {"sqlite": 50, "postgresql": 10}


def test_nothing_is_lost_and_nothing_comes_twice(
    make_site: MakeSite, clock: Clock, mail: MailServer, backend: str
) -> None:
    config = {"mail": mail.config, "site": {"url": URL}, "plugin": {"notices": {"mail_per_second": 1000.0}}}

    @settings(max_examples=PLAYS[backend], deadline=None)
    @given(st.lists(ACTIONS, min_size=8, max_size=24), st.sampled_from(["at-once", "daily", "weekly"]))
    def holds(actions: list[tuple[Any, ...]], first: str) -> None:
        clock.now = START
        mail.received.clear()
        world = World(make_site("notices", config=config), clock, mail)
        play = Play(world, {name: world.person(name) for name in PEOPLE})
        for person in PEOPLE:
            for topic in TOPICS:
                play.wants[person, topic] = first
            play.choose(person, TOPICS[0], first)
        for name, *arguments in actions:
            getattr(play, name)(*arguments)
        play.end()
        world.site.runtime.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "CHUNK", 1)
        holds()
