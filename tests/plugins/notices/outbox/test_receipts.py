"""What providers and people send back: receipts in any order, stops, and who may call at all."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.testing import MakeApp, browse
from keyun.testing.mail import MailServer
from keyun_notices.contacts.models import Contact
from keyun_notices.contacts.services import opt_in_by_sms
from keyun_notices.outbox.models import EarlyReceipt, WechatBinding
from keyun_notices.preferences.models import ChosenChannel

from .conftest import MakePost, Post, sms_settings, wechat_settings
from .gateways import Gateway, signed

RECEIPTS, REPLIES = "/api/v1/notices/sms/main/receipts", "/api/v1/notices/sms/main/replies"


@pytest.fixture
def ask(make_app: MakeApp) -> Any:
    """``ask(post, path, body)`` posts JSON as the gateway signs it."""

    def post_json(post: Post, path: str, body: object, secret: str = "callback-secret", late: int = 0) -> Any:
        raw = json.dumps(body).encode()
        stamp = int(post.clock.now.timestamp()) - late
        return browse(make_app(site=post.site)).post(path, data=raw, headers=signed(secret, stamp, raw))

    return post_json


def sent(make_post: MakePost, sms: Gateway, *logins: str, **settings: Any) -> Post:
    """A site on which a notice went out by SMS."""
    post = make_post(sms=[sms_settings(sms)], **settings)
    for login in logins or ("a",):
        post.person(login, "sms", "mail")
    post.publish()
    post.work()
    return post


def test_a_receipt_says_that_a_letter_arrived(make_post: MakePost, sms: Gateway, ask: Any) -> None:
    post = sent(make_post, sms)
    (row,) = post.rows()
    answer = ask(post, RECEIPTS, {"receipts": [{"id": row.key, "state": "DELIVRD", "more": 1}]})
    assert (answer.status_code, answer.json) == (200, {"changed": 1})
    assert post.states() == {"delivered": 1}


def test_receipts_twice_and_in_any_order_change_nothing_more(
    make_post: MakePost, sms: Gateway, ask: Any, mail: MailServer
) -> None:
    post = sent(make_post, sms, mail=mail.config)
    (row,) = post.rows()
    said = [
        {"reference": f"ref-{row.key}", "state": "pending"},
        {"reference": f"ref-{row.key}", "state": "DELIVRD"},
        {"reference": f"ref-{row.key}", "state": "DELIVRD"},
        {"id": row.key, "state": "EXPIRED"},
        {"reference": f"ref-{row.key}", "state": "pending"},
    ]
    assert ask(post, RECEIPTS, {"receipts": said}).json == {"changed": 1}
    assert ask(post, RECEIPTS, {"receipts": said}).json == {"changed": 0}
    post.work()
    assert post.states() == {"delivered": 1}


def test_what_bounces_falls_over_to_the_next_channel(
    make_post: MakePost, sms: Gateway, ask: Any, mail: MailServer
) -> None:
    post = sent(make_post, sms, mail=mail.config)
    (row,) = post.rows()
    ask(post, RECEIPTS, {"receipts": [{"id": row.key, "state": "DEAD"}]})
    post.work()
    assert (post.state("a", "sms"), post.state("a", "mail")) == ("bounced", "handed-over")
    post.publish("k2", title="下一条")
    post.work()
    # The number is known to be dead.
    assert (sms.letters, len(mail.received)) == (1, 2)


def test_a_receipt_that_comes_before_the_answer_counts(make_post: MakePost, sms: Gateway, ask: Any) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    post.publish()

    def quick() -> None:
        (key,) = sms.accepted
        found = ask(post, RECEIPTS, {"receipts": [{"reference": f"ref-{key}", "state": "DELIVRD"}]})
        assert found.json == {"changed": 0}

    sms.before_answer = quick
    post.work()
    assert post.states() == {"delivered": 1}
    with post.site.reading() as unit:
        assert unit.session.scalar(sa.select(sa.func.count()).select_from(EarlyReceipt)) == 0


def test_a_receipt_by_our_own_number_counts_while_the_answer_is_still_out(
    make_post: MakePost, sms: Gateway, ask: Any
) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    post.publish()

    def quick() -> None:
        (key,) = sms.accepted
        ask(post, RECEIPTS, {"receipts": [{"id": key, "state": "DELIVRD"}]})

    sms.before_answer = quick
    post.work()
    (row,) = post.rows()
    assert (row.state, row.reference) == ("delivered", f"ref-{row.key}")


def test_a_late_receipt_clears_what_was_uncertain(make_post: MakePost, sms: Gateway, ask: Any) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    sms.cuts = 1
    post.publish()
    post.work()
    assert post.states() == {"uncertain": 1}
    post.later(days=2)
    (row,) = post.rows()
    ask(post, RECEIPTS, {"receipts": [{"id": row.key, "state": "DELIVRD"}]})
    assert post.states() == {"delivered": 1}


def test_a_receipt_for_nothing_is_forgotten_after_a_day(make_post: MakePost, sms: Gateway, ask: Any) -> None:
    post = make_post(sms=[sms_settings(sms)])
    ask(post, RECEIPTS, {"receipts": [{"reference": "of-somebody-else", "state": "DELIVRD"}]})
    with post.site.reading() as unit:
        assert unit.session.get(EarlyReceipt, ("sms:main", "of-somebody-else")) is not None
    post.later(days=2)
    with post.site.reading() as unit:
        assert unit.session.get(EarlyReceipt, ("sms:main", "of-somebody-else")) is None


@pytest.mark.parametrize(
    ("secret", "late", "path", "status"),
    [
        ("wrong", 0, RECEIPTS, 403),
        ("callback-secret", 3600, RECEIPTS, 403),
        ("callback-secret", 0, RECEIPTS.replace("main", "other"), 404),
    ],
)
def test_only_the_gateway_itself_may_tell(
    make_post: MakePost, sms: Gateway, ask: Any, secret: str, late: int, path: str, status: int
) -> None:
    post = sent(make_post, sms)
    (row,) = post.rows()
    body = {"receipts": [{"id": row.key, "state": "DELIVRD"}]}
    assert ask(post, path, body, secret, late).status_code == status
    assert post.states() == {"handed-over": 1}


def test_a_gateway_without_a_callback_key_is_refused(make_post: MakePost, sms: Gateway, ask: Any) -> None:
    post = make_post(sms=[sms_settings(sms, callback_secret="")])
    assert ask(post, RECEIPTS, {"receipts": []}, "").status_code == 403


@pytest.mark.parametrize("word", ["退订", "TD", "T", "n"])
def test_a_stop_ends_sms_to_the_account_and_the_contact(
    make_post: MakePost, sms: Gateway, ask: Any, word: str
) -> None:
    post = make_post(sms=[sms_settings(sms)])
    number = post.person("a", "sms")
    with post.site.writing() as unit:
        opt_in_by_sms(unit, "13900000000", "订阅 511402")
    answer = ask(
        post, REPLIES, {"replies": [{"phone": "oops", "text": word}, {"phone": "13900000000", "text": word}]}
    )
    assert answer.json["answers"][0]["text"] == ""
    assert "已退订" in answer.json["answers"][1]["text"]
    with post.site.reading() as unit:
        assert unit.session.get(ChosenChannel, (number, "sms")) is None
        assert unit.session.scalars(sa.select(Contact.state)).all() == ["withdrawn"]
    post.publish(contacts=True)
    post.work()
    assert sms.letters == 0


WECHAT = "/api/v1/notices/wechat/callback"


@pytest.fixture
def tell(make_app: MakeApp) -> Any:
    """``tell(post, xml)`` posts a message as WeChat signs it."""

    def post_xml(post: Post, xml: str, token: str = "wechat-token", late: int = 0) -> Any:
        return browse(make_app(site=post.site)).post(
            WECHAT, query_string=wechat_signed(post, token, late), data=xml.encode(), content_type="text/xml"
        )

    return post_xml


def wechat_signed(post: Post, token: str = "wechat-token", late: int = 0) -> dict[str, str]:
    stamp, nonce = str(int(post.clock.now.timestamp()) - late), "nonce-1"
    mark = hashlib.sha1("".join(sorted((token, stamp, nonce))).encode()).hexdigest()
    return {"signature": mark, "timestamp": stamp, "nonce": nonce}


def event(name: str, **more: object) -> str:
    parts = {
        "ToUserName": "gh_1",
        "FromUserName": "open-a",
        "CreateTime": 1,
        "MsgType": "event",
        "Event": name,
    }
    return "<xml>" + "".join(f"<{k}>{v}</{k}>" for k, v in (parts | more).items()) + "</xml>"


def test_wechat_is_shown_that_the_address_is_ours(
    make_post: MakePost, wechat: Gateway, make_app: MakeApp
) -> None:
    post = make_post(wechat=wechat_settings(wechat))
    client = browse(make_app(site=post.site))
    answer = client.get(WECHAT, query_string=wechat_signed(post) | {"echostr": "4711"})
    assert (answer.status_code, answer.mimetype, answer.text) == (200, "text/plain", "4711")
    assert client.get(WECHAT, query_string=wechat_signed(post, "wrong")).status_code == 403


def test_wechat_tells_whether_a_template_message_arrived(
    make_post: MakePost, wechat: Gateway, tell: Any, mail: MailServer
) -> None:
    post = make_post(wechat=wechat_settings(wechat), mail=mail.config)
    for login in "ab":
        post.person(login, "wechat", "mail")
    post.publish()
    post.work()
    first, second = post.rows()
    done = event("TEMPLATESENDJOBFINISH", MsgID=first.reference, Status="success")
    assert tell(post, done).text == "success"
    assert (
        tell(post, event("TEMPLATESENDJOBFINISH", MsgID=second.reference, Status="failed:user block")).text
        == "success"
    )
    assert tell(post, done, "wrong").status_code == 403
    assert tell(post, done, late=3600).status_code == 403
    post.work()
    assert (post.state("a", "wechat"), post.state("b", "wechat")) == ("delivered", "bounced")
    assert post.state("b", "mail") == "handed-over"


def test_a_code_binds_a_follower_once(
    make_post: MakePost, wechat: Gateway, tell: Any, make_app: MakeApp
) -> None:
    from keyun.accounts import User

    post = make_post(wechat=wechat_settings(wechat))
    number = post.person("a")
    client = browse(make_app(site=post.site))
    with post.site.reading() as unit:
        client.log_in(unit.session.get_one(User, number))
    page = client.submit("/notices/wechat/code")
    assert page.status_code == 200
    code = page.text.partition("BD ")[2][:8]
    text = event("", MsgType="text", Content=f"绑定 {code.lower()}", FromUserName="open-new")
    assert "绑定成功" in tell(post, text).text
    assert "不对" in tell(post, text).text
    with post.site.reading() as unit:
        assert unit.session.scalars(sa.select(WechatBinding.openid)).all() == ["open-new"]
    assert "已绑定" in client.get("/notices/wechat").text
    client.submit("/notices/wechat/unbind")
    assert "已绑定" not in client.get("/notices/wechat").text


def test_a_code_is_good_for_ten_minutes(make_post: MakePost, wechat: Gateway, tell: Any) -> None:
    from keyun.accounts import User, actor_for
    from keyun_notices.outbox.binding import new_code

    post = make_post(wechat=wechat_settings(wechat))
    number = post.person("a")
    with post.site.writing() as unit:
        made = new_code(actor_for(unit.session.get_one(User, number)), unit)
    post.clock.now = made.good_until
    answer = tell(post, event("", MsgType="text", Content=f"绑定{made.code}"))
    assert "不对" in answer.text


@pytest.mark.parametrize("message", [event("unsubscribe"), event("", MsgType="text", Content="退订")])
def test_who_leaves_the_account_is_unbound(
    make_post: MakePost, wechat: Gateway, tell: Any, message: str
) -> None:
    post = make_post(wechat=wechat_settings(wechat))
    post.person("a", "wechat")
    tell(post, message)
    post.publish()
    post.work()
    assert post.rows() == []


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "<xml>",
        "no xml",
        "<!DOCTYPE x [<!ENTITY e 'x'>]><xml>&e;</xml>",
        "<xml>" + "a" * 30_000 + "</xml>",
    ],
)
def test_what_is_no_message_is_refused(make_post: MakePost, wechat: Gateway, tell: Any, xml: str) -> None:
    assert tell(make_post(wechat=wechat_settings(wechat)), xml).status_code == 422
