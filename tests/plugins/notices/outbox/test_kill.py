"""A worker may die anywhere: nothing is sent twice, nothing is lost, what nobody knows is counted apart."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from keyun.site import Site
from keyun_notices.outbox import fanout
from keyun_notices.outbox.fanout import fan_out
from keyun_notices.outbox.sending import send

from .conftest import MakePost, Post, sms_settings, wechat_settings
from .gateways import Gateway


class Killed(BaseException):
    """The end of a process, as far as the database can tell."""


@contextmanager
def dying(site: Site, after: int, *, before_commit: bool) -> Iterator[list[int]]:
    """Die at the commit of number ``after``: right before it, or right after it; counts commits."""
    seen = [0]

    def die(connection: sa.Connection) -> None:
        connection.invalidate()
        raise Killed

    def commit(connection: sa.Connection) -> None:
        seen[0] += 1
        if before_commit and seen[0] == after:
            die(connection)

    def begin(connection: sa.Connection) -> None:
        if not before_commit and seen[0] == after:
            die(connection)

    engine = site.runtime.engine
    sa.event.listen(engine, "commit", commit)
    sa.event.listen(engine, "begin", begin)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "commit", commit)
        sa.event.remove(engine, "begin", begin)


def work_and_die(post: Post, notice: int, after: int, *, before_commit: bool) -> bool:
    """Put and send until the kill; False when the work ended before it."""
    with dying(post.site, after, before_commit=before_commit):
        try:
            fan_out(post.site, notice)
            send(post.site)
        except Killed:
            return True
    return False


def finish(post: Post, notice: int, minutes: int, times: int) -> None:
    """What other workers do later: the job that was killed, and those that come every few seconds."""
    fan_out(post.site, notice)
    for _ in range(times):
        post.clock.tick(dt.timedelta(minutes=minutes))
        send(post.site)


def crowd(post: Post, channel: str, number: int) -> None:
    """Some people who chose a channel."""
    for n in range(number):
        post.person(f"p{n}", channel)


#: No hour is quiet, so that nothing waits for the morning.
LOUD = {"quiet_from": "00:00", "quiet_until": "00:00"}


@pytest.mark.parametrize("before_commit", [True, False], ids=["before", "after"])
def test_a_kill_at_any_commit_sends_nothing_twice_and_loses_nobody(
    make_post: MakePost, sms: Gateway, before_commit: bool
) -> None:
    post = make_post(sms=[sms_settings(sms, batch=2)], **LOUD)
    crowd(post, "sms", 5)
    after, died, uncertain = 0, True, 0
    while died:
        after += 1
        sms.accepted.clear()
        notice = post.publish(f"k{after}", title=f"第 {after} 条")
        died = work_and_die(post, notice, after, before_commit=before_commit)
        finish(post, notice, 10, 4)
        assert max(sms.accepted.values()) == 1, "something was sent twice"
        states = post.states(notice_id=notice)
        assert states.total() == 5, "somebody was lost"
        # Uncertain is at most the one request that was under way.
        assert states["uncertain"] <= 2
        assert states["handed-over"] == 5 - states["uncertain"], states
        uncertain += states["uncertain"]
    assert after > 8
    # Some deaths came between the provider and the record.
    assert uncertain


def test_where_the_provider_recognises_keys_a_kill_costs_nothing_at_all(
    make_post: MakePost, wechat: Gateway
) -> None:
    post = make_post(wechat=wechat_settings(wechat), **LOUD)
    crowd(post, "wechat", 3)
    after, died = 0, True
    while died:
        after += 1
        wechat.accepted.clear()
        notice = post.publish(f"k{after}", title=f"第 {after} 条")
        died = work_and_die(post, notice, after, before_commit=True)
        # Within the ten minutes for which WeChat recognises a key.
        finish(post, notice, 1, 6)
        assert post.states(notice_id=notice) == {"handed-over": 3}, after
        assert sorted(wechat.accepted.values()) == [1, 1, 1]
    assert after > 8


def test_beyond_those_ten_minutes_it_is_not_sent_again(make_post: MakePost, wechat: Gateway) -> None:
    post = make_post(wechat=wechat_settings(wechat))
    post.person("a", "wechat")
    post.publish()
    # The answer is lost because the worker is.
    with pytest.raises(Killed), at_answer(post.site, wechat):
        post.work()
    post.later(minutes=11)
    post.later(days=1)
    assert post.states() == {"uncertain": 1}
    assert wechat.letters == 1


@contextmanager
def at_answer(site: Site, gateway: Gateway) -> Iterator[None]:
    """Die at the first commit after the gateway has taken something."""
    taken: list[bool] = []
    gateway.before_answer = lambda: taken.append(gateway.letters > 0)

    def begin(connection: sa.Connection) -> None:
        if any(taken):
            connection.invalidate()
            raise Killed

    sa.event.listen(site.runtime.engine, "begin", begin)
    try:
        yield
    finally:
        gateway.before_answer = lambda: None
        sa.event.remove(site.runtime.engine, "begin", begin)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_process_that_is_killed_while_the_gateway_has_the_letter(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms, ask_url=f"{sms.url}/ask", batch=1)])
    for number in range(3):
        post.person(f"p{number}", "sms")
    # The child goes by the real clock, and at any hour.
    post.clock.now = dt.datetime.now(dt.UTC)
    post.publish(life=True)
    post.site.runtime.engine.dispose()
    child: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        if len(sms.accepted) == 2:
            os.kill(child[0].pid, signal.SIGKILL)
            child[0].wait()

    sms.before_answer = kill
    command = [sys.executable, "-m", "keyun", "jobs", "run"]
    environment = os.environ | {"KEYUN_INSTANCE": str(post.site.runtime.instance)}
    child.append(subprocess.Popen(command, env=environment, cwd=Path(__file__).parent))
    child[0].wait(timeout=60)
    assert child[0].returncode == -signal.SIGKILL
    sms.before_answer = lambda: None
    assert post.states() == {"handed-over": 1, "sending": 1, "queued": 1}
    post.later(minutes=5)
    post.later(minutes=5)
    assert post.states() == {"handed-over": 3}
    assert sorted(sms.accepted.values()) == [1, 1, 1]


def test_a_killed_fanout_goes_on_where_it_was(
    make_post: MakePost, sms: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "LOOK", 3)
    post = make_post(sms=[sms_settings(sms)], **LOUD)
    crowd(post, "sms", 8)
    after, died = 0, True
    while died:
        after += 1
        notice = post.publish(f"k{after}", title=f"第 {after} 条")
        with dying(post.site, after, before_commit=after % 2 == 0):
            try:
                fan_out(post.site, notice)
                died = False
            except Killed:
                died = True
        fan_out(post.site, notice)
        rows = post.rows(notice_id=notice)
        assert sorted(r.recipient_id for r in rows) == sorted(post.people.values())
    assert after > 4


def test_two_workers_send_every_letter_once(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms, batch=3)])
    for number in range(40):
        post.person(f"p{number}", "sms")
    notice = post.publish()
    fan_out(post.site, notice)
    start = threading.Barrier(3)
    failed: list[BaseException] = []

    def work() -> None:
        start.wait()
        try:
            send(post.site)
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    send(post.site)
    assert post.states() == {"handed-over": 40}
    assert set(sms.accepted.values()) == {1}
