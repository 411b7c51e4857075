"""What the operator sees and does."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from keyun.cli import cli
from keyun.testing.mail import MailServer
from keyun_notices.outbox import standing

from .conftest import MakePost, Post, sms_settings
from .gateways import Gateway

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """``run(post, "channels")`` runs ``keyun notices channels`` on the site."""

    def invoke(post: Post, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--instance", str(post.site.runtime.instance), "notices", *arguments])

    return invoke


def test_nothing_configured_means_no_channel_and_is_said(make_post: MakePost, run: Run) -> None:
    post = make_post()
    answer = run(post, "channels")
    assert answer.exit_code == 0, answer.output
    for name in ("sms", "wechat", "webpush", "mail", "webhook"):
        assert f"{name:<10} not configured" in answer.output
    found = json.loads(run(post, "channels", "--json").output)
    assert {c["name"] for c in found["channels"]} == {"wecom", "dingtalk", "feishu"}


def test_channels_and_letters_are_shown_without_addresses(
    make_post: MakePost, sms: Gateway, run: Run
) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    sms.codes["13900000000"] = "DEAD"
    post.publish()
    post.work()
    answer = run(post, "outbox", "--state", "failed")
    assert "the gateway says DEAD" in answer.output
    assert "139" not in answer.output + run(post, "channels").output
    (row,) = json.loads(run(post, "outbox", "--json").output)
    assert (row["channel"], row["recipient"]) == ("sms", "account 1")
    assert json.loads(run(post, "outbox", "--state", "queued", "--json").output) == []


def test_a_letter_that_failed_is_sent_again_by_hand(make_post: MakePost, sms: Gateway, run: Run) -> None:
    post = make_post(sms=[sms_settings(sms)])
    post.person("a", "sms")
    sms.codes["13900000000"] = "REFUSED"
    post.publish()
    post.work()
    sms.codes.clear()
    assert run(post, "retry", "1").exit_code == 0
    post.work()
    assert post.states() == {"handed-over": 1}
    refused = run(post, "retry", "1")
    assert (refused.exit_code, "did not fail" in refused.output) == (1, True)
    assert run(post, "retry", "99").exit_code == 1


def test_a_test_message_goes_out_at_once(make_post: MakePost, sms: Gateway, run: Run) -> None:
    post = make_post(sms=[sms_settings(sms)])
    answer = run(post, "try", "sms", "--to", "13800000000")
    assert (answer.exit_code, "took it" in answer.output) == (0, True)
    assert sms.letters == 1
    sms.codes["13800000000"] = "QUOTA"
    answer = run(post, "try", "sms", "--to", "13800000000")
    assert (answer.exit_code, "QUOTA" in answer.output) == (1, True)
    assert run(post, "try", "pigeon", "--to", "x").exit_code == 1


def test_the_doctor_names_what_waits_and_what_is_closed(
    make_post: MakePost, sms: Gateway, run: Run, mail: MailServer
) -> None:
    post = make_post(sms=[sms_settings(sms)], mail=mail.config)
    assert list(standing.problems(post.site)) == []
    post.person("a", "sms")
    sms.codes["13900000000"] = "QUOTA"
    post.publish()
    for _ in range(6):
        post.later(minutes=20)
    closed, late = standing.problems(post.site)
    assert "sms:main is left alone until" in closed
    assert "1 letters by sms wait" in late
    sms.codes.clear()
    assert run(post, "reopen", "nobody").exit_code == 1
    assert run(post, "reopen", "sms:main").exit_code == 0
    post.later(hours=1)
    assert list(standing.problems(post.site)) == []
    assert post.states() == {"handed-over": 1}


def test_letters_for_a_channel_that_was_taken_away_are_named(make_post: MakePost, sms: Gateway) -> None:
    from keyun_notices.outbox.services import Delivery, put

    post = make_post()
    number, notice = post.person("a"), post.publish()
    with post.site.writing() as unit:
        assert put(unit, [Delivery(notice, "account", number, "pigeon")] * 2) == 1
    (problem,) = standing.problems(post.site)
    assert "1 letters wait for the channel pigeon" in problem


def test_the_key_of_a_webhook_is_printed(make_post: MakePost, run: Run) -> None:
    from .test_channels import relay

    post = make_post(webhook_secret="hook-secret")
    found = relay(post, "https://device.example.org/")
    answer = run(post, "webhook-key", found.public_id)
    assert (answer.exit_code, len(answer.output.strip())) == (0, 64)
    assert run(post, "webhook-key", "nobody").exit_code == 1
    assert run(make_post(), "webhook-key", found.public_id).exit_code == 1
