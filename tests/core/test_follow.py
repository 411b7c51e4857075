"""Followers see every commit, in an order that no late commit can slip behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyun.access import system
from keyun.events import Committed, Cursor, Follower, peek
from keyun.events.follow import head, read
from keyun.site import Site

MakeSite = Callable[..., Site]


def happen(site: Site, *subjects: int) -> None:
    with site.writing() as unit:
        for subject in subjects:
            unit.record("thing.happened", "thing", subject, system())


def test_a_follower_sees_each_event_once_and_in_order(make_site: MakeSite) -> None:
    site = make_site()
    seen: list[int] = []
    follower = Follower("test", lambda session, events: seen.extend(e.subject_id for e in events))
    happen(site, 1, 2)
    happen(site, 3)
    for _ in range(3):
        with site.writing() as unit:
            follower.step(unit.session, 2)
    assert seen == [1, 2, 3]
    with site.reading() as unit:
        assert follower.lag(unit.session) == 0


def test_a_failing_follower_reads_the_same_events_again(make_site: MakeSite) -> None:
    site = make_site()
    happen(site, 1)

    def boom(session: object, events: list[Committed]) -> None:
        raise ValueError

    with pytest.raises(ValueError), site.writing() as unit:
        Follower("test", boom).step(unit.session)
    seen: list[int] = []
    with site.writing() as unit:
        Follower("test", lambda s, events: seen.extend(e.subject_id for e in events)).step(unit.session)
    assert seen == [1]


def test_a_long_transaction_is_not_jumped_over(make_site: MakeSite, backend: str) -> None:
    if backend == "sqlite":
        pytest.skip("SQLite has one writer: ids are in the order of commits")
    site = make_site()
    seen: list[int] = []
    follower = Follower("test", lambda session, events: seen.extend(e.subject_id for e in events))
    slow = site.writing()
    unit = slow.__enter__()
    unit.record("thing.happened", "thing", 1, system())
    unit.session.flush()
    happen(site, 2)
    with site.writing() as other:
        follower.step(other.session)
    with site.reading() as reader:
        shown, cursor = peek(reader.session, Cursor())
    slow.__exit__(None, None, None)
    assert seen == []
    assert [e.subject_id for e in shown] == [2]
    assert cursor == Cursor()
    with site.writing() as other:
        follower.step(other.session)
    assert sorted(seen) == [1, 2]


def test_the_head_is_where_reading_ends(make_site: MakeSite) -> None:
    site = make_site()
    happen(site, *range(5))
    with site.reading() as unit:
        events, cursor = read(unit.session, Cursor())
        assert len(events) == 5
        assert cursor == head(unit.session)
        assert read(unit.session, cursor) == ([], cursor)
