"""Webhooks, robots and browsers; contacts and relays; channels of other plugins."""

from __future__ import annotations

import base64
import json
import os
import tomllib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from keyun.access import system
from keyun.accounts import User
from keyun.testing import MakeApp, browse
from keyun.testing.mail import MailServer
from keyun_notices.contacts.services import opt_in_by_sms
from keyun_notices.outbox.channels.bots import MOST, cut_bytes
from keyun_notices.outbox.channels.webhook import key_of, signature
from keyun_notices.outbox.commands import push_keys
from keyun_notices.outbox.models import PushSubscription
from keyun_notices.preferences.models import ChosenChannel
from keyun_notices.relays.models import Relay
from keyun_notices.relays.services import add

from .conftest import PLACE, MakePost, Post, sms_settings
from .gateways import Gateway


def relay(post: Post, url: str | None, name: str = "村口大喇叭") -> Relay:
    """A relay whose device listens at ``url``."""
    with post.site.writing() as unit:
        data = {"kind": "loudspeaker", "name": name, "region": PLACE, "headcount": "300"}
        found, _key = add(system(), unit, data)
        found.webhook = url
    return found


def hook_post(make_post: MakePost, **more: Any) -> Post:
    return make_post(webhook_secret="hook-secret", private_webhooks=True, **more)


def test_contacts_and_relays_get_what_is_meant_for_them(
    make_post: MakePost, sms: Gateway, hooks: Gateway
) -> None:
    post = hook_post(make_post, sms=[sms_settings(sms)])
    with post.site.writing() as unit:
        opt_in_by_sms(unit, "13700000000", "订阅 511402")
    relay(post, f"{hooks.url}/device")
    post.person("a", "sms")
    post.publish(contacts=True, relays=True)
    post.work()
    kinds = {(r.recipient_kind, r.channel, r.state) for r in post.rows()}
    assert kinds == {
        ("account", "sms", "handed-over"),
        ("contact", "sms", "handed-over"),
        ("relay", "webhook", "handed-over"),
    }
    assert {m["phone"] for _, _, b in sms.requests for m in b["messages"]} == {
        "13900000000",
        "+8613700000000",
    }


def test_a_webhook_is_signed_for_its_relay(make_post: MakePost, hooks: Gateway) -> None:
    post = hook_post(make_post)
    found = relay(post, f"{hooks.url}/device?x=1")
    post.publish(relays=True)
    post.work()
    ((path, headers, body),) = hooks.requests
    assert path == "/device?x=1"
    key = key_of("hook-secret", found.public_id)
    assert headers["x-keyun-signature"] == signature(key, headers["x-keyun-timestamp"], body["_raw"])
    (row,) = post.rows()
    assert headers["idempotency-key"] == body["id"] == row.key
    assert (body["title"], body["topic"]) == ("暴雨提醒", "general")


def test_a_webhook_that_broke_off_is_called_again_with_the_same_key(
    make_post: MakePost, hooks: Gateway
) -> None:
    post = hook_post(make_post)
    relay(post, f"{hooks.url}/device")
    hooks.cuts = 1
    post.publish(relays=True)
    post.work()
    post.later(minutes=2)
    assert post.states() == {"handed-over": 1}
    assert {h["idempotency-key"] for _, h, _ in hooks.requests} == {post.rows()[0].key}


def test_one_relay_that_is_down_does_not_stop_the_others(make_post: MakePost, hooks: Gateway) -> None:
    post = hook_post(make_post)
    relay(post, "http://127.0.0.1:9/device", "断网的")
    relay(post, f"{hooks.url}/device")
    for number in range(8):
        post.publish(f"k{number}", relays=True, title=f"第 {number} 条")
    for _ in range(8):
        post.later(seconds=6)
    assert post.states()["handed-over"] == 8
    assert post.states()["queued"] + post.states()["held"] == 8


def test_a_webhook_may_not_lead_into_the_own_network(make_post: MakePost, hooks: Gateway) -> None:
    post = make_post(webhook_secret="hook-secret")
    relay(post, f"{hooks.url}/device")
    post.publish(relays=True)
    post.work()
    (row,) = post.rows()
    assert (row.state, hooks.requests) == ("queued", [])
    assert "private network" in row.reason


def test_a_webhook_is_not_led_elsewhere(make_post: MakePost, hooks: Gateway) -> None:
    post = hook_post(make_post)
    relay(post, f"{hooks.url}/device")
    hooks.statuses = [302]
    post.publish(relays=True)
    post.work()
    assert (post.states(), len(hooks.requests)) == ({"failed": 1}, 1)


def test_a_webhook_that_is_gone_is_not_called_again(make_post: MakePost, hooks: Gateway) -> None:
    post = hook_post(make_post)
    relay(post, f"{hooks.url}/device")
    hooks.statuses = [410]
    post.publish(relays=True)
    post.work()
    post.publish("k2", relays=True, title="第二条")
    post.work()
    assert len(hooks.requests) == 1


@pytest.mark.parametrize(
    ("channel", "path", "signed"),
    [
        ("wecom", "/cgi-bin/webhook/send?key=1", False),
        ("dingtalk", "/robot/send?access_token=1#SECabc", True),
        ("feishu", "/open-apis/bot/v2/hook/1#abc", True),
    ],
)
def test_robots_speak_to_their_group(
    make_post: MakePost, hooks: Gateway, channel: str, path: str, signed: bool
) -> None:
    post = hook_post(make_post)
    relay(post, hooks.url + path)
    post.publish(relays=True)
    post.work()
    assert post.states(channel=channel) == {"handed-over": 1}
    ((called, _, body),) = hooks.requests
    assert "暴雨提醒" in json.dumps(body, ensure_ascii=False, default=str)
    assert "abc" not in called
    assert (("sign" in parse_qs(urlsplit(called).query)) or "sign" in body) is signed


@pytest.mark.parametrize(
    ("path", "busy", "pause"),
    [
        ("/cgi-bin/webhook/send", {"errcode": 45009}, 60),
        ("/robot/send", {"errcode": 130101}, 600),
        ("/open-apis/bot/v2/hook/1", {"code": 11232}, 60),
    ],
)
def test_a_robot_that_is_asked_too_often_is_left_alone(
    make_post: MakePost, hooks: Gateway, path: str, busy: dict[str, int], pause: int
) -> None:
    post = hook_post(make_post)
    relay(post, hooks.url + path)
    hooks.codes[path] = busy
    post.publish(relays=True)
    post.work()
    hooks.codes.clear()
    post.later(seconds=pause - 1)
    assert len(hooks.requests) == 1
    post.later(seconds=11)
    assert post.states() == {"handed-over": 1}


def test_each_robot_keeps_its_own_limit(make_post: MakePost, hooks: Gateway) -> None:
    post = hook_post(make_post)
    for name in ("一组", "二组"):
        relay(post, f"{hooks.url}/robot/send?access_token={name}", name)
    for number in range(12):
        post.publish(f"k{number}", relays=True, title=f"第 {number} 条")
    post.work()
    assert post.states()["handed-over"] == 10
    for _ in range(6):
        post.later(seconds=10)
    assert post.states() == {"handed-over": 24}


def test_a_long_text_is_cut_between_letters() -> None:
    cut = cut_bytes("山" * 1000)
    assert len(cut.encode()) <= MOST
    assert cut == "山" * 665 + "…"


VAPID = {"subject": "mailto:ops@example.org"}


@pytest.fixture
def push_config() -> dict[str, Any]:
    """Keys of a site for Web Push."""
    pytest.importorskip("pywebpush")
    made = CliRunner().invoke(push_keys)
    return VAPID | tomllib.loads(made.output)


def point(key: Any) -> bytes:
    numbers = key.public_key().public_numbers()
    return b"".join((b"\x04", numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")))


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Receiver:
    """A browser that can read what was pushed to it."""

    def __init__(self, endpoint: str) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)
        self.body = {
            "endpoint": endpoint,
            "keys": {"p256dh": encoded(point(self.key)), "auth": encoded(self.auth)},
        }

    def read(self, body: bytes) -> dict[str, Any]:
        import http_ece  # type: ignore[import-untyped]

        found = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        return dict(json.loads(found))


@pytest.fixture
def pushed(make_post: MakePost, push_config: dict[str, Any], make_app: MakeApp) -> Any:
    """``pushed(*receivers)``: a site on which a person subscribed these browsers by the API."""

    def make(*receivers: Receiver) -> tuple[Post, Any]:
        post = make_post(webpush=push_config, private_webhooks=True)
        number = post.person("a", "webpush")
        client = browse(make_app(site=post.site))
        with post.site.reading() as unit:
            client.log_in(unit.session.get_one(User, number))
        token = {"X-CSRFToken": client.csrf_token()}
        assert client.get("/api/v1/notices/push").json == {"public_key": push_config["public_key"]}
        for r in receivers:
            answer = client.post("/api/v1/notices/push", json=r.body, headers=token)
            assert answer.json == {"subscribed": True}, answer.text
        return post, lambda path, body: client.post(path, json=body, headers=token)

    return make


def test_a_browser_gets_what_only_it_can_read(pushed: Any, hooks: Gateway) -> None:
    receiver = Receiver(f"{hooks.url}/push/1")
    post, _ = pushed(receiver)
    post.publish()
    post.work()
    ((_, headers, body),) = hooks.requests
    said = receiver.read(body["raw"])
    assert (said["title"], said["tag"]) == ("暴雨提醒", post.rows()[0].key)
    assert headers["authorization"].startswith("vapid t=")
    assert "暴雨" not in body["raw"].decode(errors="ignore")


def test_a_dead_browser_is_removed_and_the_other_one_still_gets_it(pushed: Any, hooks: Gateway) -> None:
    post, _ = pushed(Receiver(f"{hooks.url}/push/1"), Receiver(f"{hooks.url}/push/2"))
    hooks.statuses = [410]
    post.publish()
    post.work()
    assert post.states() == {"handed-over": 1}
    with post.site.reading() as unit:
        left = unit.session.scalars(sa.select(PushSubscription.endpoint)).all()
    assert left == [f"{hooks.url}/push/2"]


def test_browsers_that_fail_do_not_stop_the_pushes_of_others(pushed: Any, hooks: Gateway) -> None:
    post, _ = pushed(Receiver(f"{hooks.url}/push/1"))
    hooks.statuses = [500] * 8
    for number in range(9):
        post.publish(f"k{number}", title=f"第 {number} 条")
    post.work()
    assert post.states() == {"uncertain": 8, "handed-over": 1}


def test_a_browser_whose_keys_are_no_good_is_removed(pushed: Any, hooks: Gateway) -> None:
    receiver = Receiver(f"{hooks.url}/push/1")
    keys = {"p256dh": encoded(b"\x04" + bytes(64)), "auth": encoded(receiver.auth)}
    receiver.body = {"endpoint": f"{hooks.url}/push/1", "keys": keys}
    post, _ = pushed(receiver)
    post.publish()
    post.work()
    assert (post.states(), hooks.requests) == ({"failed": 1}, [])
    with post.site.reading() as unit:
        assert unit.session.scalars(sa.select(PushSubscription.id)).all() == []


def test_a_browser_can_be_taken_back(pushed: Any, hooks: Gateway) -> None:
    post, call = pushed(Receiver(f"{hooks.url}/push/1"))
    assert call("/api/v1/notices/push/remove", {"endpoint": f"{hooks.url}/push/1"}).json == {
        "subscribed": False
    }
    post.publish()
    post.work()
    assert post.rows() == []


def test_only_the_newest_browsers_of_a_person_are_kept(pushed: Any, hooks: Gateway) -> None:
    post, _ = pushed(*(Receiver(f"{hooks.url}/push/{n}") for n in range(7)))
    with post.site.reading() as unit:
        assert len(unit.session.scalars(sa.select(PushSubscription.id)).all()) == 5


def test_a_plugin_brings_a_channel_of_its_own(
    make_post: MakePost, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyun.messages import Undeliverable
    from keyun_notices.outbox import directory
    from keyun_notices.outbox.channels.protocol import Channel, Limit, Provider

    def refuses(_site: object, _letters: object) -> list[Any]:
        raise Undeliverable("no such pager")

    def reaches(_unit: object, kind: str, ids: Any) -> dict[int, str]:
        return dict.fromkeys(ids, "4711") if kind == "account" else {}

    pager = Channel("pager", "寻呼", "Pager", (Provider("pager", refuses, Limit(1.0)),), reaches)
    own = directory.bundled
    monkeypatch.setattr(directory, "bundled", lambda *a: [pager, *own(*a)])
    post = make_post(mail=mail.config, order=["pager", "mail"])
    number = post.person("a", "mail")
    with post.site.writing() as unit:
        unit.session.add(ChosenChannel(user_id=number, channel="pager", chosen_at=unit.now))
    post.publish()
    post.work()
    assert (post.state("a", "pager"), post.state("a", "mail")) == ("failed", "handed-over")
    (row,) = post.rows(channel="pager")
    assert row.reason == "no such pager"
