"""One notice for an account, a contact without account and a relay: all get it, all confirm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from keyun.access import system
from keyun.jobs import Worker
from keyun.testing import Clock, MakeApp, MakeSite, browse
from keyun_notices.contacts import services as contacts
from keyun_notices.reach import services
from keyun_notices.reach.values import Reach
from tests.plugins.notices.conftest import DONGPO, MEISHAN, Push
from tests.plugins.notices.contacts.conftest import number
from tests.plugins.notices.contacts.gateway import Gateway, gateway
from tests.plugins.notices.relays.conftest import Relays


@pytest.fixture
def world() -> Iterator[Gateway]:
    with gateway() as running:
        yield running


@pytest.fixture
def push(make_site: MakeSite, clock: Clock, world: Gateway) -> Push:
    return Push(make_site("notices", config={"plugin": {"notices": world.config}}), clock)


def reach(push: Push, ikey: str = "n1") -> Reach:
    """The figures of a notice."""
    with push.site.reading() as unit:
        return services.reach(system(), unit, push.notice(ikey))


def text(push: Push, n: int, words: str) -> str | None:
    """An SMS from a number; returns the answer."""
    with push.site.writing() as unit:
        return contacts.opt_in_by_sms(unit, number(n), words)


def test_a_contact_without_account_and_a_relay_get_and_confirm_the_same_notice(
    push: Push, world: Gateway, make_app: MakeApp
) -> None:
    relays = Relays(push)
    text(push, 1, "DY 511402")
    relays.add("horn", webhook=f"http://127.0.0.1:{world.port}/horn")
    push.person("an", region=DONGPO)
    push.publish("n1", title="暴雨橙色预警", body="请勿过河。", contacts=True, relays=True)
    Worker(push.site).drain()
    assert world.texts(number(1)) == ["暴雨橙色预警"]
    assert [h["title"] for h in world.hooks] == ["暴雨橙色预警"]
    before = reach(push)
    assert (before.contacts.confirmed.people, before.relays.confirmed) == (0, 0)

    assert "暴雨橙色预警" in str(text(push, 1, "收到"))
    phone = browse(make_app(site=push.site))
    link = f"/notices/relay/{relays.keys['horn']}"
    assert "请勿过河" in phone.get(link).get_data(as_text=True)
    answer = phone.submit(f"{link}/{push.notice('n1').public_id}", {"headcount": "320"})
    assert answer.status_code == 303 and "已转达约 320 人" in phone.get(link).get_data(as_text=True)

    found = reach(push)
    assert (found.contacts.addressed.people, found.contacts.confirmed.people) == (1, 1)
    assert [c.handed_over.people for c in found.contacts.channels] == [1]
    assert (found.relays.asked, found.relays.told, found.relays.confirmed) == (1, 1, 1)
    assert found.estimated.people.people == 320
    assert (found.accounts.addressed.people, found.accounts.confirmed.people) == (1, 0), "kinds stay apart"


def test_whoever_says_stop_before_the_message_leaves_does_not_get_it(push: Push, world: Gateway) -> None:
    text(push, 1, "DY 511402")
    text(push, 2, "DY 511402")
    push.publish("n1", contacts=True)
    text(push, 1, "退订")
    Worker(push.site).drain()
    assert world.texts(number(1)) == [] and len(world.texts(number(2))) == 1
    assert reach(push).contacts.addressed.people == 2


def test_an_answer_counts_for_the_newest_notice_once_and_for_nobody_who_was_not_told(push: Push) -> None:
    text(push, 1, "DY 511402")
    assert text(push, 1, "收到") is None
    push.publish("n1", contacts=True)
    Worker(push.site).drain()
    push.clock.tick(dt.timedelta(minutes=1))
    push.publish("n2", contacts=True)
    Worker(push.site).drain()
    for words in ("收到", "1", "已阅"):
        assert "通知 n2" in str(text(push, 1, words))
    assert text(push, 2, "收到") is None
    assert (reach(push, "n1").contacts.confirmed.people, reach(push, "n2").contacts.confirmed.people) == (
        0,
        1,
    )
    push.clock.tick(dt.timedelta(days=8))
    assert text(push, 1, "收到") is None


def test_a_forgotten_contact_leaves_counts_and_no_row(push: Push) -> None:
    text(push, 1, "DY 511402")
    push.publish("n1", contacts=True)
    Worker(push.site).drain()
    text(push, 1, "收到")
    with push.site.writing() as unit:
        contacts.forget(system(), unit, number(1))
    found = reach(push)
    assert (found.contacts.addressed.people, found.contacts.erased) == (1, 1)
    assert [c.handed_over.people for c in found.contacts.channels] == [1]


def test_a_cancellation_reaches_the_contacts_that_were_told(push: Push, world: Gateway) -> None:
    text(push, 1, "DY 511402")
    push.publish("n1", contacts=True, regions=(MEISHAN,))
    Worker(push.site).drain()
    text(push, 2, "DY 511402")
    push.cancel("n1")
    Worker(push.site).drain()
    assert world.texts(number(1)) == ["通知 n1", "已解除：通知 n1"]
    assert world.texts(number(2)) == []


def test_ordinary_notices_wait_for_the_morning_and_a_matter_of_life_does_not(
    make_site: MakeSite, clock: Clock, world: Gateway
) -> None:
    config = world.config | {"quiet_from": "22:00", "quiet_until": "07:00"}
    push = Push(make_site("notices", config={"plugin": {"notices": config}}), clock)
    clock.now = dt.datetime(2026, 7, 1, 15, 0, tzinfo=dt.UTC)
    text(push, 1, "DY 511402")
    push.publish("calm", contacts=True)
    push.publish("life", contacts=True, life=True)
    Worker(push.site).drain()
    assert world.texts(number(1)) == ["通知 life"]
    clock.now = dt.datetime(2026, 7, 1, 23, 1, tzinfo=dt.UTC)
    worker = Worker(push.site)
    worker.schedule()
    worker.drain()
    assert world.texts(number(1)) == ["通知 life", "通知 calm"]
