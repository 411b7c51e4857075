"""No provider is asked faster than it allows, whoever asks, and a broken one is left alone."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyun.site import Site
from keyun.testing import Clock, MakeSite
from keyun_notices.outbox import buckets
from keyun_notices.outbox.channels.bots import KINDS
from keyun_notices.outbox.channels.protocol import Limit

#: What services allow in any span of so many seconds.
ALLOWED = {"wecom": ((60, 30), (3600, 1000)), "dingtalk": ((60, 20),), "feishu": ((60, 100), (1, 5))}
LIMITS = st.builds(
    Limit,
    per_second=st.sampled_from([0.3, 1.0, 3.0, 7.5]),
    burst=st.integers(1, 6),
    per_day=st.none() | st.integers(1, 30),
)
ASKED = st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 9)), min_size=1, max_size=25)


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site("notices")


def take(site: Site, provider: str, limit: Limit, want: int) -> int:
    with site.writing() as unit:
        return buckets.take(unit, provider, limit, want)


@given(limit=LIMITS, asked=ASKED)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_no_span_of_time_more_goes_out_than_the_limit_says(
    site: Site, clock: Clock, limit: Limit, asked: list[tuple[int, int]]
) -> None:
    provider = f"p{len(taken_names)}"
    taken_names.append(provider)
    taken: list[tuple[float, int]] = []
    for pause, want in asked:
        clock.tick(dt.timedelta(milliseconds=pause))
        n = take(site, provider, limit, want)
        assert n <= want
        taken.append((clock.now.timestamp(), n))
    for i, (begin, _) in enumerate(taken):
        total = 0
        for at, n in taken[i:]:
            total += n
            assert total <= limit.burst + limit.per_second * (at - begin) + 1e-6
    if limit.per_day is not None:
        days: dict[dt.date, int] = {}
        for at, n in taken:
            day = dt.datetime.fromtimestamp(at, site.timezone).date()
            days[day] = days.get(day, 0) + n
        assert max(days.values()) <= limit.per_day


#: Every example has a bucket of its own.
taken_names: list[str] = []


def test_what_is_free_is_given_in_full(site: Site, clock: Clock) -> None:
    limit = Limit(per_second=2.0, burst=10)
    assert take(site, "p", limit, 100) == 10
    assert take(site, "p", limit, 1) == 0
    clock.tick(dt.timedelta(seconds=3))
    assert take(site, "p", limit, 100) == 6
    clock.tick(dt.timedelta(hours=1))
    assert take(site, "p", limit, 100) == 10


def test_the_limit_of_a_day_ends_with_the_local_day(site: Site, clock: Clock) -> None:
    limit = Limit(per_second=1000.0, burst=100, per_day=7)
    # 23:30 in the time zone of the site.
    clock.now = dt.datetime(2027, 3, 1, 15, 30, tzinfo=dt.UTC)
    assert take(site, "p", limit, 100) == 7
    clock.tick(dt.timedelta(minutes=20))
    assert take(site, "p", limit, 100) == 0
    clock.tick(dt.timedelta(minutes=20))
    assert take(site, "p", limit, 100) == 7


def test_workers_at_once_take_no_more_than_one_would(site: Site) -> None:
    limit = Limit(per_second=1.0, burst=50)
    taken: list[int] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(10):
            taken.append(take(site, "p", limit, 3))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Whoever loses a race asks again in the next round.
    while n := take(site, "p", limit, 3):
        taken.append(n)
    assert sum(taken) == 50


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_robots_keep_the_limits_of_their_services(site: Site, clock: Clock, kind: object) -> None:
    name, limit = kind.name, kind.limit  # type: ignore[attr-defined]
    times: list[float] = []
    for _ in range(400):
        clock.tick(dt.timedelta(seconds=1))
        times += [clock.now.timestamp()] * take(site, name, limit, 50)
    for span, most in ALLOWED[name]:
        assert max(sum(t <= x < t + span for x in times) for t in times) <= most


def test_a_provider_that_fails_is_left_alone_longer_and_longer(site: Site, clock: Clock) -> None:
    limit = Limit(per_second=100.0, burst=100)

    def fail() -> bool:
        with site.writing() as unit:
            return buckets.fails(unit, "p", "no connection")

    assert [fail() for _ in range(buckets.FAILURES)] == [False] * (buckets.FAILURES - 1) + [True]
    assert take(site, "p", limit, 10) == 0
    clock.tick(buckets.PAUSE)
    # One letter is risked.
    assert take(site, "p", limit, 10) == 1
    fail()
    clock.tick(buckets.PAUSE)
    assert take(site, "p", limit, 10) == 0
    clock.tick(buckets.PAUSE)
    assert take(site, "p", limit, 10) == 1
    with site.writing() as unit:
        buckets.works(unit, "p")
    assert take(site, "p", limit, 10) == 10


def test_a_pause_that_a_provider_asks_for_is_kept(site: Site, clock: Clock) -> None:
    limit = Limit(per_second=100.0, burst=100)
    with site.writing() as unit:
        buckets.close(unit, "p", unit.now + dt.timedelta(minutes=10), "quota")
        buckets.close(unit, "p", unit.now + dt.timedelta(minutes=1), "busy")
        buckets.works(unit, "p")
    clock.tick(dt.timedelta(minutes=9))
    assert take(site, "p", limit, 10) == 0
    clock.tick(dt.timedelta(minutes=1))
    assert take(site, "p", limit, 10) == 10


def test_a_limit_without_a_rate_is_no_limit() -> None:
    with pytest.raises(ValueError, match="rate"):
        Limit(per_second=0.0)
