"""Who gets what by which channel, and when: what the fan-out asks for many people at once."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from keyun.access import system
from keyun.testing import Clock, MakeSite, make_user
from keyun_notices.models import SentCount
from keyun_notices.preferences.quiet import after_quiet, is_quiet
from keyun_notices.preferences.services import Wish, cap, caps, change, due, next_day, plan, wanted

CHANNELS = ("mail", "sms")


def test_who_never_chose_anything_gets_nothing_outside_the_inbox(make_site: MakeSite) -> None:
    site = make_site("notices")
    with site.writing() as unit:
        ids = [make_user(unit, f"u{n}").id for n in range(3)]
    with site.reading() as unit:
        assert wanted(unit, ids, "awards", "mail") == set()
        assert wanted(unit, ids, "awards", "inbox") == set(ids)


def test_a_channel_that_a_person_turned_on_carries_what_he_wants_at_once(make_site: MakeSite) -> None:
    site = make_site("notices")
    with site.writing() as unit:
        both, narrow, daily, never, silent = users = [make_user(unit, f"u{n}") for n in range(5)]
        ids = [u.id for u in users]
        wishes = {
            both: Wish(frozenset(CHANNELS)),
            narrow: Wish(frozenset(CHANNELS), {"awards": ("at-once", frozenset({"mail"}))}),
            daily: Wish(frozenset({"mail"}), {"awards": ("daily", None)}),
            never: Wish(frozenset({"mail"}), {"awards": ("never", None)}),
            silent: Wish(frozenset({"mail"}), inbox_only=True),
        }
        for user, wish in wishes.items():
            change(system(), unit, user, wish, CHANNELS)
    with site.reading() as unit:
        found = plan(unit, ids, "awards", CHANNELS)
        assert found.at_once == {"mail": [both.id, narrow.id], "sms": [both.id]}
        assert found.digest == [daily.id]
        # The default of policies is a weekly digest.
        assert plan(unit, ids, "policies", CHANNELS).digest == [both.id, narrow.id, daily.id, never.id]


def test_the_life_threat_class_goes_to_everybody_whatever_he_refused(make_site: MakeSite) -> None:
    site = make_site("notices")
    with site.writing() as unit:
        one, other = make_user(unit, "a"), make_user(unit, "b")
        change(system(), unit, one, Wish(inbox_only=True, topics={"general": ("never", None)}), CHANNELS)
        night = dt.datetime(2027, 3, 1, 18, 0, tzinfo=dt.UTC)
        assert plan(unit, (one.id, other.id), "general", CHANNELS, life=True).at_once == {
            "mail": [one.id, other.id],
            "sms": [one.id, other.id],
        }
        assert due(unit, one.id, "sms", night, life=True) == night
        assert all(caps(unit, [one.id] * 60, night, life=True))


def test_who_refuses_personal_notices_gets_only_those_chosen_by_region(make_site: MakeSite) -> None:
    site = make_site("notices")
    with site.writing() as unit:
        user = make_user(unit)
        change(system(), unit, user, Wish(frozenset({"mail"}), impersonal=True), CHANNELS)
        assert wanted(unit, [user.id], "general", "mail") == {user.id}
        assert wanted(unit, [user.id], "general", "mail", personal=True) == set()


def test_quiet_hours_hold_a_message_until_the_morning_of_the_association(make_site: MakeSite) -> None:
    site = make_site("notices")
    with site.writing() as unit:
        usual, none, noon = (make_user(unit, name) for name in ("usual", "none", "noon"))
        change(system(), unit, none, Wish(quiet=(0, 0)), CHANNELS)
        change(system(), unit, noon, Wish(quiet=(12 * 60, 14 * 60)), CHANNELS)
        # 23:30 in Shanghai, then 12:10.
        night, midday = (dt.datetime(2027, 3, 1, h, m, tzinfo=dt.UTC) for h, m in ((15, 30), (4, 10)))
        assert due(unit, usual.id, "sms", night) == dt.datetime(2027, 3, 1, 23, 0, tzinfo=dt.UTC)
        assert due(unit, usual.id, "inbox", night) == night
        assert due(unit, none.id, "sms", night) == night
        assert due(unit, noon.id, "sms", night) == night
        assert due(unit, noon.id, "sms", midday) == dt.datetime(2027, 3, 1, 6, 0, tzinfo=dt.UTC)


ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
MINUTES = st.integers(0, 24 * 60 - 1)


@given(
    now=st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2028, 1, 1), timezones=st.just(dt.UTC)),
    start=MINUTES,
    end=MINUTES,
    zone=ZONES,
)
def test_quiet_hours_end_within_a_day_at_a_moment_that_is_not_quiet(
    now: dt.datetime, start: int, end: int, zone: str
) -> None:
    place = zoneinfo.ZoneInfo(zone)
    found = after_quiet(now, start, end, place)
    assert now <= found <= now + dt.timedelta(hours=26)
    local = now.astimezone(place)
    quiet = start != end and is_quiet(local.hour * 60 + local.minute, start, end)
    assert quiet or found == now
    if zone == "Asia/Shanghai":
        assert (found > now) is quiet
        then = found.astimezone(place)
        assert start == end or not is_quiet(then.hour * 60 + then.minute, start, end)


def test_the_cap_counts_all_messages_of_a_local_day_in_one_place(make_site: MakeSite, clock: Clock) -> None:
    site = make_site("notices", config={"plugin": {"notices": {"daily_cap": 3}}})
    with site.writing() as unit:
        one, generous = make_user(unit, "a"), make_user(unit, "b")
        change(system(), unit, generous, Wish(daily_cap=5), CHANNELS)
        assert caps(unit, [one.id, generous.id, one.id, one.id, one.id], unit.now) == [True] * 4 + [False]
        assert [cap(unit, generous.id, unit.now) for _ in range(5)] == [True] * 4 + [False]
        tomorrow = next_day(unit, unit.now)
        assert tomorrow == dt.datetime(2027, 3, 1, 16, 0, tzinfo=dt.UTC)
        assert not cap(unit, one.id, tomorrow - dt.timedelta(seconds=1))
        assert cap(unit, one.id, tomorrow)


@pytest.mark.parametrize("life", [False, True])
def test_chunks_far_apart_are_asked_with_one_query_each(make_site: MakeSite, life: bool) -> None:
    site = make_site("notices")
    with site.writing() as unit:
        users = [make_user(unit, f"u{n}", id=n) for n in (5, 4095, 4096, 9000, 2_300_000)]
        for user in users:
            change(system(), unit, user, Wish(frozenset({"mail"})), CHANNELS)
    asked: list[str] = []
    with site.reading() as unit:
        unit.session.connection()
        sa.event.listen(site.runtime.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
        ids = [u.id for u in users] + [7, 8000]
        assert wanted(unit, ids, "general", "mail", life) == (set(ids) if life else {u.id for u in users})
    assert len(asked) == (0 if life else 4)


def test_many_workers_at_once_never_exceed_the_cap(make_site: MakeSite) -> None:
    site = make_site("notices", config={"plugin": {"notices": {"daily_cap": 5}}})
    with site.writing() as unit:
        ids = [make_user(unit, f"u{n}").id for n in range(2)]

    def send(_worker: int) -> list[bool]:
        answers: list[bool] = []
        for _ in range(3):
            with site.writing() as unit:
                answers += caps(unit, ids, unit.now)
        return answers

    with ThreadPoolExecutor(6) as workers:
        answers = [may for found in workers.map(send, range(6)) for may in found]
    assert answers.count(True) == 10
    with site.reading() as unit:
        assert set(unit.session.scalars(sa.select(SentCount.sent))) == {5}


def test_the_cap_grants_what_a_plain_count_would(make_site: MakeSite, clock: Clock) -> None:
    site = make_site("notices", config={"plugin": {"notices": {"daily_cap": 2}}})
    with site.writing() as unit:
        people = [make_user(unit, f"u{n}") for n in range(3)]
        change(system(), unit, people[1], Wish(daily_cap=4), CHANNELS)
    most = {people[0].id: 2, people[1].id: 4, people[2].id: 2}
    asked = st.lists(st.sampled_from(sorted(most)), max_size=12)
    days = st.sampled_from([dt.timedelta(), dt.timedelta(hours=3), dt.timedelta(days=1)])

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(asked, days), max_size=5))
    def holds(steps: list[tuple[list[int], dt.timedelta]]) -> None:
        counted: Counter[tuple[int, dt.date]] = Counter()
        with site.writing() as unit:
            unit.session.execute(sa.delete(SentCount))
            now = unit.now
            for ids, pause in steps:
                now += pause
                day = now.astimezone(site.timezone).date()
                expected = []
                for user_id in ids:
                    expected.append(counted[user_id, day] < most[user_id])
                    counted[user_id, day] += expected[-1]
                assert caps(unit, ids, now) == expected

    holds()


def test_a_person_who_is_gone_gets_nothing(make_site: MakeSite) -> None:
    with make_site("notices").writing() as unit:
        assert caps(unit, [12345], unit.now) == [False]
