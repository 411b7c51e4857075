"""Daily and weekly digests on their whole way, from the notice to the mailbox."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from keyun_notices.outbox.fanout import fan_out
from keyun_notices.preferences.services import Wish
from keyun_notices.publishing.models import Notice

from .conftest import World

MAIL = frozenset({"mail"})
DAILY = Wish(MAIL, {"general": ("daily", None), "awards": ("daily", None)})
#: The standing clock shows Monday 16:00 in Shanghai; digests are made at 8.
MORNING = dt.timedelta(hours=16)
DAY = dt.timedelta(days=1)


def test_a_daily_digest_brings_in_the_morning_what_was_published_since(world: World) -> None:
    world.person("li", DAILY)
    world.person("chen", Wish(MAIL))
    world.publish("a", title="第一条")
    world.publish("b", title="第二条", topic="awards")
    world.work()
    assert sorted(world.subjects("chen")) == ["第一条", "第二条"]
    assert world.subjects("li") == []
    world.clock.tick(MORNING)
    world.work()
    assert world.subjects("li") == ["每日通知摘要：2 条 (daily digest: 2)"]
    assert all(word in world.texts("li")[0] for word in ("第一条", "第二条", "【评审奖励】"))
    for _ in range(3):
        world.clock.tick(DAY)
        world.work()
    assert len(world.letters("li")) == 1


def test_without_anything_new_there_is_no_digest(world: World) -> None:
    world.person("li", DAILY)
    world.clock.tick(MORNING)
    world.work()
    assert world.letters("li") == []


def test_what_is_superseded_cancelled_or_over_is_left_out_of_a_digest(world: World) -> None:
    world.person("li", DAILY)
    world.publish("old", title="旧的")
    world.publish("new", title="新的", kind="update", refers_to=("old",))
    world.publish("wrong", title="错的")
    world.cancel("wrong")
    world.publish("short", title="短的", expires_at=world.clock() + dt.timedelta(hours=2))
    world.work()
    world.clock.tick(MORNING)
    world.work()
    assert world.subjects("li") == ["每日通知摘要：1 条 (daily digest: 1)"]
    (text,) = world.texts("li")
    assert "新的" in text
    assert not any(word in text for word in ("旧的", "错的", "短的"))


def test_who_was_told_of_something_is_told_that_it_is_over(world: World) -> None:
    world.person("li", DAILY)
    world.publish("a", title="停水")
    world.work()
    world.clock.tick(MORNING)
    world.work()
    world.cancel("a")
    world.work()
    world.clock.tick(DAY)
    world.work()
    assert ["停水" in t for t in world.texts("li")] == [True, True]
    assert "已解除：停水" in world.texts("li")[1]


@pytest.mark.parametrize("later", ["at-once", "weekly"])
def test_a_change_of_the_frequency_loses_nothing(world: World, later: str) -> None:
    li = world.person("li", DAILY)
    world.publish("a", title="第一条")
    world.work()
    world.wants(li, Wish(MAIL, {"general": (later, None)}))
    world.publish("b", title="第二条")
    world.work()
    for _ in range(8):
        world.clock.tick(DAY)
        world.work()
    texts = "\n".join([*world.subjects("li"), *world.texts("li")])
    assert texts.count("第一条") == 1
    assert ("第二条" in world.subjects("li")) is (later == "at-once")
    assert len(world.letters("li")) == (2 if later == "at-once" else 1)


def test_a_letter_that_waits_for_the_morning_becomes_part_of_the_digest_of_who_asks_for_one(
    world: World,
) -> None:
    li = world.person("li", Wish(MAIL, quiet=(0, 20 * 60)))
    world.publish("a", title="夜里的")
    world.work()
    assert world.letters("li") == []
    world.wants(li, Wish(MAIL, {"general": ("daily", None)}))
    world.clock.tick(MORNING)
    world.work()
    world.clock.tick(DAY)
    world.work()
    assert world.subjects("li") == ["每日通知摘要：1 条 (daily digest: 1)"]


@pytest.mark.parametrize("first", ["at-once", "daily"])
def test_a_fan_out_that_runs_again_tells_nobody_twice_who_changed_his_mind(world: World, first: str) -> None:
    li = world.person("li", Wish(MAIL, {"general": (first, None)}))
    world.publish("a", title="第一条")
    world.work()
    if first == "daily":
        world.clock.tick(MORNING)
        world.work()
    world.wants(li, Wish(MAIL, {"general": ("daily" if first == "at-once" else "at-once", None)}))
    with world.site.reading() as unit:
        number = unit.session.scalars(sa.select(Notice.id)).one()
    fan_out(world.site, number)
    for _ in range(2):
        world.clock.tick(DAY)
        world.work()
    assert len(world.letters("li")) == 1


def test_what_was_refused_in_the_meantime_is_not_sent(world: World) -> None:
    li = world.person("li", DAILY)
    world.publish("a", title="第一条")
    world.work()
    world.wants(li, Wish(MAIL, {"general": ("never", None)}))
    world.clock.tick(MORNING)
    world.work()
    assert world.letters("li") == []


def test_a_weekly_digest_comes_on_monday_and_once_a_week(world: World) -> None:
    world.person("li", Wish(MAIL))
    for number in range(16):
        world.publish(f"p{number}", title=f"政策 {number}", topic="policies")
        world.work()
        world.clock.tick(DAY)
        world.work()
    assert [s[:6] for s in world.subjects("li")] == ["每周通知摘要"] * 2
    lines = [line for text in world.texts("li") for line in text.splitlines() if line.startswith("· ")]
    assert lines == [f"· 政策 {number}" for number in range(14)]
