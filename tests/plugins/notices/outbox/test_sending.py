"""What goes out, to whom, in which order, and what becomes of it."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from keyun.accounts import User
from keyun.testing.mail import MailServer
from keyun_notices.outbox import buckets
from keyun_notices.outbox.models import DeadEndpoint, OutboxRow, WechatBinding
from keyun_notices.outbox.services import counts
from keyun_notices.preferences.models import ChosenChannel

from .conftest import MakePost, sms_settings, wechat_settings
from .gateways import Gateway


def test_everybody_gets_a_notice_by_the_first_channel_he_wants_and_has(
    make_post: MakePost, sms: Gateway, wechat: Gateway, mail: MailServer
) -> None:
    post = make_post(sms=[sms_settings(sms)], wechat=wechat_settings(wechat), mail=mail.config)
    post.person("both", "wechat", "sms")
    post.person("reader", "mail")
    post.person("no-phone", "sms", "mail", phone=None)
    post.person("inbox-only")
    notice = post.publish()
    post.work()
    assert {(r.user_id, r.channel, r.state) for r in post.rows()} == {
        (post.people["both"], "wechat", "handed-over"),
        (post.people["reader"], "mail", "handed-over"),
        (post.people["no-phone"], "mail", "handed-over"),
    }
    assert (wechat.letters, sms.letters, len(mail.received)) == (1, 0, 2)
    with post.site.reading() as unit:
        found = {(c.recipient_kind, c.channel): c for c in counts(unit, notice)}
    assert found["account", "mail"].handed_over == 2
    assert found["account", "wechat"].states == {"handed-over": 1}


def test_the_life_threat_class_goes_by_every_channel_whatever_people_asked_for(
    make_post: MakePost, sms: Gateway, mail: MailServer, wechat: Gateway
) -> None:
    post = make_post(sms=[sms_settings(sms)], wechat=wechat_settings(wechat), mail=mail.config, daily_cap=1)
    post.person("quiet")
    post.clock.now = dt.datetime(2027, 3, 1, 18, 0, tzinfo=dt.UTC)
    post.publish(life=True, title="山洪")
    post.publish("k2", life=True, title="泥石流")
    post.work()
    assert post.states() == {"handed-over": 4}
    assert {r.channel for r in post.rows()} == {"sms", "mail"}


def test_a_letter_says_what_the_template_wants_and_how_to_refuse(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms, title_length=6)])
    post.person("a", "sms")
    post.publish(title="暴雨蓝色预警{secret}")
    post.work()
    (path, headers, body), *_ = sms.requests
    assert (path, headers["authorization"]) == ("/send", "Bearer sms-secret")
    assert (body["template"], body["signature"]) == ("T1", "科云")
    (item,) = body["messages"]
    assert item["phone"] == "13900000000"
    assert item["title"] == "暴雨蓝色预…"
    assert item["link"].startswith("https://cloud.example.org/notices/")


def test_a_mail_can_be_refused_by_one_click(make_post: MakePost, mail: MailServer) -> None:
    post = make_post(mail=mail.config)
    post.person("a", "mail")
    post.publish()
    post.work()
    (one,) = mail.received
    assert one["List-Unsubscribe"].startswith("<https://cloud.example.org/api/v1/notices/optout/")
    assert one["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "https://cloud.example.org/notices/optout/" in one.get_content()


def test_publishing_or_running_twice_sends_once(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    post.publish()
    post.work()
    with post.site.writing() as unit:
        unit.enqueue("notices.fanout", notice_id=1)
        unit.enqueue("notices.fanout", notice_id=1)
    post.work()
    post.publish()
    post.later(minutes=5)
    assert (sms.letters, post.states()) == (1, {"handed-over": 1})


def test_a_dead_number_falls_over_to_the_next_channel_and_is_not_called_again(
    make_post: MakePost, sms: Gateway, mail: MailServer
) -> None:
    post = make_post(sms=[sms_settings(sms)], mail=mail.config)
    post.person("a", "sms", "mail")
    sms.codes["13900000000"] = "DEAD"
    post.publish()
    post.work()
    assert (post.state("a", "sms"), post.state("a", "mail")) == ("failed", "handed-over")
    post.publish("k2", title="另一条")
    post.work()
    assert len([r for r in sms.requests if r[0] == "/send"]) == 1
    assert len(mail.received) == 2
    post.later(days=31)
    sms.codes.clear()
    post.publish("k3", title="又一条")
    post.work()
    assert sms.letters == 1


def test_a_follower_who_left_is_unbound(make_post: MakePost, wechat: Gateway, mail: MailServer) -> None:
    post = make_post(wechat=wechat_settings(wechat), mail=mail.config)
    number = post.person("a", "wechat", "mail")
    wechat.codes["open-a"] = 43004
    post.publish()
    post.work()
    assert (post.state("a", "wechat"), post.state("a", "mail")) == ("failed", "handed-over")
    with post.site.reading() as unit:
        assert unit.session.query(WechatBinding).filter_by(user_id=number).count() == 0
        (mark,) = unit.session.query(DeadEndpoint)
    assert "open-a" not in mark.digest


def test_a_mailbox_that_is_unknown_is_dead_and_a_full_one_is_tried_again(
    make_post: MakePost, mail: MailServer
) -> None:
    post = make_post(mail=mail.config)
    post.person("gone", "mail")
    post.person("full", "mail")
    mail.refuse |= {"gone@example.org": "550 no such user", "full@example.org": "452 full"}
    post.publish()
    post.work()
    assert (post.state("gone", "mail"), post.state("full", "mail")) == ("failed", "queued")
    mail.refuse.clear()
    post.later(minutes=5)
    assert post.state("full", "mail") == "handed-over"
    assert [m["To"] for m in mail.received] == ["full@example.org"]


def test_a_mail_whose_answer_was_lost_is_not_sent_again(make_post: MakePost, mail: MailServer) -> None:
    post = make_post(mail=mail.config)
    post.person("a", "mail")
    mail.cuts = 1
    post.publish()
    post.work()
    post.later(days=1)
    assert (post.state("a", "mail"), len(mail.received)) == ("uncertain", 1)


def test_what_is_cancelled_or_over_meanwhile_is_not_sent(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms, per_second=0.001, burst=1)])
    for login in "abc":
        post.person(login, "sms")
    post.publish()
    post.work()
    assert post.states() == {"handed-over": 1, "queued": 2}
    note = post.cancel()
    post.later(hours=1)
    assert post.states(notice_id=1) == {"handed-over": 1, "dropped": 2}
    # Only who heard of it hears that it is over.
    assert post.states(notice_id=note) == {"handed-over": 1, "dropped": 2}
    assert sms.letters == 2


def test_what_was_cancelled_before_it_came_is_not_sent_and_neither_is_its_end(
    make_post: MakePost, sms: Gateway
) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    post.cancel()
    post.work()
    post.publish()
    post.later(minutes=5)
    assert sms.letters == 0
    assert set(post.states()) <= {"dropped"}


def test_what_has_expired_is_not_sent(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    post.clock.now = dt.datetime(2027, 3, 1, 18, 0, tzinfo=dt.UTC)
    post.publish(expires_at=post.clock.now + dt.timedelta(hours=1))
    post.work()
    assert post.state("a", "sms") == "held"
    post.later(hours=8)
    assert (post.state("a", "sms"), sms.letters) == ("dropped", 0)


def test_quiet_hours_hold_a_letter_until_the_morning(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    # Two in the night in the time zone of the site; the quiet hours end at seven.
    post.clock.now = dt.datetime(2027, 3, 1, 18, 0, tzinfo=dt.UTC)
    post.publish()
    post.later(hours=4)
    assert (post.state("a", "sms"), sms.letters) == ("held", 0)
    post.later(hours=1, minutes=1)
    assert (post.state("a", "sms"), sms.letters) == ("handed-over", 1)


def test_the_cap_of_the_day_holds_what_is_too_much(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms)], daily_cap=2)
    post.person("a", "sms")
    for key in ("k1", "k2", "k3"):
        post.publish(key, title=key)
    post.work()
    assert post.states() == {"handed-over": 2, "held": 1}
    post.later(days=1)
    assert post.states() == {"handed-over": 3}


def test_who_refuses_while_it_waits_is_left_alone(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms)])
    number = post.person("a", "sms")
    post.clock.now = dt.datetime(2027, 3, 1, 18, 0, tzinfo=dt.UTC)
    post.publish()
    post.work()
    with post.site.writing() as unit:
        unit.session.query(post_channel()).filter_by(user_id=number).delete()
    post.later(hours=8)
    assert (post.state("a", "sms"), sms.letters) == ("dropped", 0)


def post_channel() -> type:
    from keyun_notices.preferences.models import ChosenChannel

    return ChosenChannel


def test_who_refuses_while_a_slow_gateway_answers_others_is_left_alone(
    make_post: MakePost, sms: Gateway
) -> None:
    post = make_post(sms=[sms_settings(sms, batch=1)])
    post.person("a", "sms")
    number = post.person("b", "sms")

    def slow() -> None:
        post.clock.tick(dt.timedelta(seconds=10))
        with post.site.writing() as unit:
            unit.session.execute(sa.delete(ChosenChannel).where(ChosenChannel.user_id == number))

    sms.before_answer = slow
    post.publish()
    post.work()
    assert (post.state("a", "sms"), post.state("b", "sms"), sms.letters) == ("handed-over", "dropped", 1)


def test_who_turns_to_a_digest_while_it_waits_gets_it_there(make_post: MakePost, sms: Gateway) -> None:
    from keyun_notices.preferences.models import DigestItem, TopicChoice

    post = make_post(sms=[sms_settings(sms)])
    number = post.person("a", "sms")
    post.clock.now = dt.datetime(2027, 3, 1, 18, 0, tzinfo=dt.UTC)
    post.publish()
    post.work()
    with post.site.writing() as unit:
        unit.session.add(TopicChoice(user_id=number, topic="general", frequency="daily", channels=None))
    post.later(hours=8)
    with post.site.reading() as unit:
        assert [i.user_id for i in unit.session.query(DigestItem)] == [number]
    assert (post.state("a", "sms"), sms.letters) == ("dropped", 0)


def test_a_number_that_is_slow_is_tried_with_growing_pauses_and_fails_at_last(
    make_post: MakePost, sms: Gateway, mail: MailServer
) -> None:
    post = make_post(sms=[sms_settings(sms)], mail=mail.config, attempts=3)
    post.person("a", "sms", "mail")
    sms.codes["13900000000"] = "SLOW"
    post.publish()
    post.work()
    pauses = []
    while post.state("a", "sms") == "queued":
        (row,) = post.rows(channel="sms")
        pauses.append((row.not_before - post.clock.now).total_seconds())
        post.clock.now = row.not_before
        post.work()
    assert len(pauses) == 2
    assert 15 <= pauses[0] < 30 <= pauses[1] < 60
    assert (post.state("a", "sms"), post.state("a", "mail")) == ("failed", "handed-over")


def test_a_busy_provider_is_left_alone_as_long_as_it_says(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms, batch=1, items="", results="")])
    post.person("a", "sms")
    sms.statuses, sms.retry_after = [429], "600"
    post.publish()
    post.work()
    post.later(seconds=590)
    assert len(sms.requests) == 1
    assert post.state("a", "sms") == "queued"


def test_a_provider_that_fails_is_closed_and_the_next_one_takes_over(
    make_post: MakePost, sms: Gateway
) -> None:
    # Nothing listens at the first one.
    broken = sms_settings(sms, name="broken", url="http://127.0.0.1:9/send")
    post = make_post(sms=[broken, sms_settings(sms, name="good")])
    for number in range(6):
        post.person(f"p{number}", "sms")
    post.publish()
    for _ in range(12):
        post.later(minutes=2)
    assert post.states() == {"handed-over": 6}
    assert {r.provider for r in post.rows()} == {"sms:good"}
    assert max(sms.accepted.values()) == 1


def test_unknown_answers_are_never_sent_again(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    sms.cuts = 1
    post.publish()
    post.work()
    post.later(days=2)
    assert (post.state("a", "sms"), sms.letters) == ("uncertain", 1)


def test_what_one_gateway_may_have_taken_goes_to_no_other(make_post: MakePost, sms: Gateway) -> None:
    first = sms_settings(sms, name="first", repeat_for=3600.0)
    post = make_post(sms=[first, sms_settings(sms, name="second")])
    number = post.person("a", "sms")
    sms.cuts = 1
    post.publish()
    post.work()
    with post.site.writing() as unit:
        buckets.close(unit, "sms:first", unit.now + dt.timedelta(minutes=50), "a test")
    post.later(minutes=2)
    assert (post.rows(user_id=number)[0].provider, sms.letters) == ("sms:first", 1)
    assert post.states() == {"held": 1}
    post.later(minutes=49)
    assert (post.states(), len(sms.requests)) == ({"handed-over": 1}, 2)
    assert {r.provider for r in post.rows()} == {"sms:first"}


def test_a_key_is_not_repeated_longer_than_the_gateway_knows_it(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms, repeat_for=300.0)])
    post.person("a", "sms")
    sms.cuts = 100
    begun = post.clock.now
    post.publish()
    post.work()
    latest = begun
    for _ in range(60):
        before = len(sms.requests)
        post.later(seconds=30)
        latest = post.clock.now if len(sms.requests) > before else latest
    assert post.states() == {"uncertain": 1}
    assert dt.timedelta(0) < latest - begun < dt.timedelta(seconds=300)


def test_what_may_have_arrived_falls_over_to_no_other_channel(
    make_post: MakePost, sms: Gateway, mail: MailServer
) -> None:
    post = make_post(sms=[sms_settings(sms, repeat_for=3600.0)], mail=mail.config)
    number = post.person("a", "sms", "mail")
    sms.cuts = 1
    post.publish()
    post.work()
    post.change(User, number, phone=None)
    post.later(minutes=2)
    assert (post.state("a", "sms"), sms.letters, mail.received) == ("uncertain", 1, [])


def test_a_gateway_that_can_be_asked_tells_what_became_of_it(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms, ask_url=f"{sms.url}/ask", batch=1)])
    for login in "ab":
        post.person(login, "sms")
    # The first letter is taken and the answer lost; the second never arrives at all.
    sms.cuts = 1
    post.publish()
    post.work()
    assert post.states()["sending"] == 1
    post.later(minutes=2)
    post.later(minutes=2)
    assert post.states() == {"handed-over": 2}
    assert sorted(sms.accepted.values()) == [1, 1]


def test_who_leaves_is_only_counted(make_post: MakePost, sms: Gateway) -> None:
    from keyun.access import system
    from keyun.accounts import personal

    post = make_post(sms=[sms_settings(sms)])
    number = post.person("a", "sms")
    notice = post.publish()
    post.work()
    with post.site.writing() as unit:
        personal.erase(system(), unit, unit.session.get_one(User, number))
    assert post.rows() == []
    with post.site.reading() as unit:
        (found,) = counts(unit, notice)
    assert found.states == {"handed-over": 1}


def test_old_letters_are_folded_into_counts(make_post: MakePost, sms: Gateway) -> None:
    post = make_post(sms=[sms_settings(sms)], keep_days=30)
    for login in "ab":
        post.person(login, "sms")
    notice = post.publish()
    post.work()
    post.later(days=29)
    assert len(post.rows()) == 2
    post.later(days=2)
    assert post.rows() == []
    with post.site.reading() as unit:
        (found,) = counts(unit, notice)
    assert (found.channel, found.handed_over) == ("sms", 2)
    # Nothing is sent anew to whom the rows are forgotten.
    post.work()
    assert sms.letters == 2


@pytest.mark.parametrize("state", ["handed-over", "uncertain", "delivered"])
def test_only_what_failed_can_be_sent_again_by_hand(make_post: MakePost, sms: Gateway, state: str) -> None:
    from keyun.access import system
    from keyun.errors import Conflict
    from keyun_notices.outbox.services import retry

    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    post.publish()
    post.work()
    (row,) = post.rows()
    post.change(OutboxRow, row.id, state=state)
    with pytest.raises(Conflict), post.site.writing() as unit:
        retry(system(), unit, row.id)
    post.change(OutboxRow, row.id, state="failed")
    with post.site.writing() as unit:
        retry(system(), unit, row.id)
    post.work()
    assert sms.letters == 2
