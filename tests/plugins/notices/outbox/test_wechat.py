"""The official account: its token, its codes, its quota."""

from __future__ import annotations

import threading

import pytest

from keyun_notices.outbox.channels import tokens
from keyun_notices.outbox.models import AccessToken

from .conftest import MakePost, Post, wechat_settings
from .gateways import Gateway


def crowd(make_post: MakePost, wechat: Gateway, number: int = 3, **more: object) -> Post:
    post: Post = make_post(wechat=wechat_settings(wechat, **more))
    for n in range(number):
        post.person(f"p{n}", "wechat")
    return post


def test_one_token_serves_many_letters(make_post: MakePost, wechat: Gateway) -> None:
    post = crowd(make_post, wechat)
    post.publish(title="字" * 40)
    post.work()
    assert post.states() == {"handed-over": 3}
    assert wechat.tokens == 1
    body = wechat.requests[-1][2]
    assert body["template_id"] == "TM1"
    assert len(body["data"]["thing1"]["value"]) == 20
    assert body["url"].startswith("https://cloud.example.org/notices/")


@pytest.mark.parametrize("code", [40001, 42001])
def test_a_token_that_ended_early_is_renewed_and_the_letter_goes(
    make_post: MakePost, wechat: Gateway, code: int
) -> None:
    post = crowd(make_post, wechat)
    post.publish()
    post.work()
    wechat.token, wechat.codes["token"] = "token-2", code
    post.publish("k2", title="第二条")
    post.work()
    assert post.states() == {"handed-over": 6}
    assert wechat.tokens == 2
    assert set(wechat.accepted.values()) == {1}
    assert wechat.requests[-1][0].endswith("token-2")


def test_a_token_is_renewed_before_it_ends(make_post: MakePost, wechat: Gateway) -> None:
    post = crowd(make_post, wechat, 1)
    post.publish()
    post.work()
    post.later(minutes=116)
    post.publish("k2", title="第二条")
    post.work()
    assert wechat.tokens == 2


def test_a_wrong_secret_closes_the_channel_and_says_so(make_post: MakePost, wechat: Gateway) -> None:
    post = crowd(make_post, wechat, 1, app_secret="wrong")
    post.publish()
    for _ in range(12):
        post.later(minutes=1)
    (row,) = post.rows()
    assert (row.state, wechat.letters) == ("queued", 0)
    assert "40125" in row.reason
    # Five failures, and then one try each time the pause ends.
    assert 5 <= wechat.tokens <= 9


def test_the_quota_of_the_day_waits_for_the_next_one(make_post: MakePost, wechat: Gateway) -> None:
    post = crowd(make_post, wechat)
    wechat.codes["open-p0"] = 45009
    post.publish()
    post.work()
    asked = len(wechat.requests)
    wechat.codes.clear()
    post.later(hours=10)
    assert len(wechat.requests) == asked
    assert post.states() == {"queued": 3}
    # Midnight, and the end of the quiet hours.
    post.later(hours=14)
    assert post.states() == {"handed-over": 3}
    assert set(wechat.accepted.values()) == {1}


@pytest.mark.parametrize("code", [43004, 43019, 40003])
def test_a_follower_who_is_gone_is_not_asked_for_again(
    make_post: MakePost, wechat: Gateway, code: int
) -> None:
    post = crowd(make_post, wechat, 1)
    wechat.codes["open-p0"] = code
    post.publish()
    post.work()
    assert post.states() == {"failed": 1}
    asked = len(wechat.requests)
    post.publish("k2", title="第二条")
    post.work()
    assert len(wechat.requests) == asked


def test_a_refused_letter_says_which_code_and_nothing_else(make_post: MakePost, wechat: Gateway) -> None:
    post = crowd(make_post, wechat, 1)
    wechat.codes["open-p0"] = 47003
    post.publish()
    post.work()
    (row,) = post.rows()
    assert (row.state, row.reason) == ("failed", "WeChat says 47003")


def test_one_worker_at_a_time_asks_for_a_token(make_post: MakePost, wechat: Gateway) -> None:
    post = crowd(make_post, wechat, 0)
    asked: list[int] = []
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> tuple[str, float]:
        asked.append(1)
        inside.set()
        go_on.wait(10)
        return "new", 7200.0

    found: list[str] = []
    first = threading.Thread(target=lambda: found.append(tokens.token(post.site, "p", slow)))
    first.start()
    assert inside.wait(10)
    with pytest.raises(tokens.Busy):
        tokens.token(post.site, "p", slow)
    go_on.set()
    first.join()
    assert tokens.token(post.site, "p", slow) == "new"
    assert (found, len(asked)) == (["new"], 1)


def test_a_refresher_that_died_is_replaced(make_post: MakePost, wechat: Gateway) -> None:
    post = crowd(make_post, wechat, 0)
    with post.site.writing() as unit:
        until = unit.now + tokens.PATIENCE
        unit.session.add(AccessToken(provider="p", value="old", refresher="dead", refreshing_until=until))
    with pytest.raises(tokens.Busy):
        tokens.token(post.site, "p", lambda: ("new", 7200.0))
    post.clock.tick(tokens.PATIENCE * 2)
    assert tokens.token(post.site, "p", lambda: ("new", 7200.0)) == "new"
