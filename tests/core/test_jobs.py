"""Background jobs: exactly the rows that were committed, each by one worker, none lost."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.jobs import Job, JobRow, Worker
from keyun.site import Site

MakeSite = Callable[..., Site]


def rows(site: Site) -> list[tuple[str, str, int]]:
    with site.reading() as unit:
        query = sa.select(JobRow.name, JobRow.state, JobRow.attempts).order_by(JobRow.created_at, JobRow.name)
        return [(r.name, r.state, r.attempts) for r in unit.session.execute(query)]


def with_job(site: Site, run: Callable[..., Any]) -> Site:
    site.jobs.clear()
    site.jobs["test.job"] = Job("test.job", run)
    return site


def test_a_job_exists_exactly_when_its_change_does(make_site: MakeSite) -> None:
    site = with_job(make_site(), lambda site: None)
    with pytest.raises(ZeroDivisionError), site.writing() as unit:
        unit.enqueue("test.job")
        _ = 1 / 0
    assert rows(site) == []
    with site.writing() as unit:
        unit.enqueue("test.job")
    assert rows(site) == [("test.job", "queued", 0)]


def test_a_key_keeps_one_queued_row(make_site: MakeSite) -> None:
    seen: list[int] = []
    site = with_job(make_site(), lambda site: seen.append(1))
    for _ in range(3):
        with site.writing() as unit:
            unit.enqueue("test.job", key="once")
    assert Worker(site).drain() == 1
    with site.writing() as unit:
        unit.enqueue("test.job", key="once")
    assert Worker(site).drain() == 1
    assert seen == [1, 1]


def test_workers_share_jobs_without_doing_one_twice(make_site: MakeSite) -> None:
    seen: list[int] = []
    site = with_job(make_site(), lambda site, n: seen.append(n))
    with site.writing() as unit:
        for n in range(40):
            unit.enqueue("test.job", n=n)
    threads = [threading.Thread(target=Worker(site).drain) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(seen) == list(range(40))


def test_a_failing_job_is_tried_again_later_and_ends_as_dead(make_site: MakeSite, clock: Any) -> None:
    def boom(site: Site) -> None:
        raise ValueError("no luck")

    site = with_job(make_site(), boom)
    with site.writing() as unit:
        unit.enqueue("test.job")
    worker = Worker(site)
    assert worker.drain() == 1
    assert rows(site) == [("test.job", "queued", 1)]
    for _ in range(10):
        clock.tick(dt.timedelta(hours=1))
        worker.drain()
    assert rows(site) == [("test.job", "dead", 5)]
    with site.reading() as unit:
        assert "no luck" in (unit.session.scalar(sa.select(JobRow.error)) or "")


def test_the_job_of_a_killed_worker_is_free_again_when_its_lease_ends(
    make_site: MakeSite, clock: Any
) -> None:
    seen: list[str] = []
    site = with_job(make_site(), lambda site: seen.append("done"))
    with site.writing() as unit:
        job_id = unit.enqueue("test.job")
    assert Worker(site)._claim(job_id)  # and then the power fails
    assert Worker(site).drain() == 0
    clock.tick(dt.timedelta(minutes=5))
    assert Worker(site).drain() == 1
    assert seen == ["done"]


def test_a_job_that_kills_every_worker_ends_as_dead(make_site: MakeSite, clock: Any) -> None:
    site = with_job(make_site(), lambda site: None)
    with site.writing() as unit:
        job_id = unit.enqueue("test.job")
    for _ in range(5):
        assert Worker(site)._claim(job_id)
        clock.tick(dt.timedelta(minutes=5))
    assert Worker(site).drain() == 0
    assert rows(site) == [("test.job", "dead", 5)]
    with site.reading() as unit:
        assert "death of its worker" in str(unit.session.get_one(JobRow, job_id).error)


def test_the_job_of_a_plugin_that_is_off_waits_for_it(make_site: MakeSite) -> None:
    seen: list[int] = []
    site = with_job(make_site(), lambda site: seen.append(1))
    with site.writing() as unit:
        unit.enqueue("other.job")
    Worker(site).drain()
    assert rows(site) == [("other.job", "waiting", 1)]
    site.jobs["other.job"] = Job("other.job", lambda site: seen.append(2))
    assert Worker(site).revive() == 1
    Worker(site).drain()
    assert seen == [2]


def test_a_worker_takes_what_one_without_the_plugin_has_set_aside_meanwhile(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyun.jobs.REVIVE_SECONDS", 0.0)
    stop, turns = threading.Event(), []

    def set_aside(site: Site) -> None:
        turns.append("first")
        with site.writing() as unit:
            job_id = unit.enqueue("other.job")
            unit.session.get_one(JobRow, job_id).state = "waiting"

    def other(_site: Site) -> None:
        turns.append("other")
        stop.set()

    site = with_job(make_site(), set_aside)
    site.jobs["other.job"] = Job("other.job", other)
    with site.writing() as unit:
        unit.enqueue("test.job")
    worker = threading.Thread(target=Worker(site).run, args=(stop,))
    worker.start()
    assert stop.wait(20)
    worker.join()
    assert turns == ["first", "other"]


def test_a_repeated_job_is_queued_once_for_each_step(make_site: MakeSite, clock: Any) -> None:
    seen: list[int] = []
    site = with_job(make_site(), lambda site: None)
    site.jobs["test.job"] = Job("test.job", lambda site: seen.append(1), every=60)
    worker = Worker(site)
    for _ in range(3):
        worker.schedule()
    worker.drain()
    clock.tick(dt.timedelta(seconds=60))
    worker.schedule()
    worker.drain()
    assert seen == [1, 1]
    assert rows(site) == [], "a repeated job that went well leaves nothing behind"
