"""Pages, API and commands of relays: a link is a key, and nothing opens by guessing."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re

import pytest
from click.testing import CliRunner, Result

from keyun.cli import cli
from keyun.testing import Browser, MakeApp, browse
from keyun_notices.relays.models import Relay
from tests.plugins.notices.conftest import DONGPO, JIANYANG, MEISHAN
from tests.plugins.notices.relays.conftest import Relays

FORM = {"kind": "school", "name": "东坡小学广播站", "region": DONGPO, "headcount": "400"}
LINK = re.compile(r"/notices/relay/relay_[\w-]+")


@pytest.fixture
def staff(relays: Relays, make_app: MakeApp) -> Browser:
    """The browser of staff for Meishan."""
    user = relays.push.person("staff", roles=[("staff", MEISHAN)])
    client = browse(make_app(site=relays.site))
    client.log_in(user)
    return client


@pytest.fixture
def phone(relays: Relays, make_app: MakeApp) -> Browser:
    """A phone without an account."""
    return browse(make_app(site=relays.site))


def keyun(relays: Relays, *arguments: str) -> Result:
    """Run ``keyun notices relays …`` on the site."""
    start = ["--instance", str(relays.site.runtime.instance), "notices", "relays"]
    return CliRunner().invoke(cli, [*start, *arguments])


def link_in(page: str) -> str:
    """The link on a sheet."""
    found = LINK.search(page)
    assert found is not None
    return found[0]


def test_staff_set_a_relay_up_print_its_link_replace_it_and_close_it(
    staff: Browser, phone: Browser, relays: Relays
) -> None:
    sheet = staff.submit("/notices/relays/new", FORM)
    page = sheet.get_data(as_text=True)
    assert sheet.status_code == 200 and "<svg" in page and sheet.headers["Cache-Control"] == "no-store"
    first = link_in(page)
    assert "东坡小学广播站" in phone.get(first).get_data(as_text=True)
    listed = staff.get("/notices/relays").get_data(as_text=True)
    one = re.search(r"/notices/relays/[0-9a-f-]{36}", listed)
    assert one is not None and first not in listed and first not in staff.get(one[0]).get_data(as_text=True)
    second = link_in(staff.submit(f"{one[0]}/key").get_data(as_text=True))
    assert phone.get(first).status_code == 404 and phone.get(second).status_code == 200
    assert staff.submit(f"{one[0]}/edit", {**FORM, "name": "改名的广播站"}).status_code == 303
    assert "改名的广播站" in phone.get(second).get_data(as_text=True)
    assert staff.submit(f"{one[0]}/close").status_code == 303
    assert phone.get(second).status_code == 404


def test_saving_the_form_of_a_relay_changes_nothing_that_was_not_typed(
    staff: Browser, relays: Relays
) -> None:
    relays.push.person("holder")
    relay = relays.add("horn", manager="holder", webhook="http://127.0.0.1:9/horn", note="钥匙在门卫")
    there = f"/notices/relays/{relay.public_id}"
    page = staff.get(f"{there}/edit").get_data(as_text=True)
    shown = dict(re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', page))
    assert shown["manager"] == "holder"
    typed = {**FORM, **{k: shown[k] for k in ("name", "headcount", "manager", "webhook", "note")}}
    assert staff.submit(f"{there}/edit", typed).status_code == 303
    with relays.site.reading() as unit:
        found = unit.session.get_one(Relay, relay.id)
        assert (found.manager_id, found.note) == (relays.push.people["holder"], "钥匙在门卫")
        assert found.webhook == "http://127.0.0.1:9/horn"
    assert staff.submit(f"{there}/close").status_code == 303
    refused = staff.submit(f"{there}/edit", {**typed, "webhook": "http://127.0.0.1:9/again"})
    assert refused.status_code == 409 and "已停用" in refused.get_data(as_text=True)


def test_a_closed_relay_is_asked_for_nothing_any_more(relays: Relays, staff: Browser) -> None:
    relay = relays.add("horn")
    assert staff.submit(f"/notices/relays/{relay.public_id}/close").status_code == 303
    relays.push.publish("n1", relays=True)
    for path in ("", "/tasks"):
        assert "通知 n1" not in staff.get(f"/notices/relays/{relay.public_id}{path}").get_data(as_text=True)
    notice = relays.push.notice("n1").public_id
    answer = staff.submit(f"/notices/relays/{relay.public_id}/tasks/{notice}", {"headcount": "5"})
    assert answer.status_code == 404 and relays.said("horn", "n1") is None


def test_a_form_with_a_mistake_comes_back(staff: Browser) -> None:
    answer = staff.submit(
        "/notices/relays/new", {**FORM, "webhook": "javascript:alert(1)", "manager": "nobody"}
    )
    assert answer.status_code == 422 and "东坡小学广播站" in answer.get_data(as_text=True)
    assert staff.submit("/notices/relays/new", {**FORM, "region": JIANYANG}).status_code == 403


def test_whoever_has_the_link_reads_confirms_and_corrects_without_log_in(
    phone: Browser, relays: Relays
) -> None:
    relays.add("horn")
    relays.push.publish("n1", body="请**勿**过河。", relays=True)
    link = f"/notices/relay/{relays.keys['horn']}"
    page = phone.get(link)
    assert (
        "<strong>勿</strong>" in page.get_data(as_text=True) and page.headers["Cache-Control"] == "no-store"
    )
    there = f"{link}/{relays.push.notice('n1').public_id}"
    for headcount in ("100", "120"):
        assert phone.submit(there, {"headcount": headcount}).status_code == 303
    assert "已转达约 120 人" in phone.get(link).get_data(as_text=True)
    assert relays.history("horn", "n1") == [(1, 100), (2, 120)]
    relays.population(r511402=500)
    wrong = phone.submit(there, {"headcount": "501"})
    assert wrong.status_code == 422 and "常住人口 500" in wrong.get_data(as_text=True)
    for rubbish in ("", "-1", "1e3", "１２", "999999999999"):
        assert phone.submit(there, {"headcount": rubbish}).status_code == 422
    assert relays.history("horn", "n1") == [(1, 100), (2, 120)]


def test_a_guessed_link_or_a_notice_of_elsewhere_opens_nothing(phone: Browser, relays: Relays) -> None:
    relays.add("horn")
    relays.push.publish("far", regions=(JIANYANG,), relays=True)
    notice = relays.push.notice("far").public_id
    good = relays.keys["horn"]
    for key in ("x", "relay_", good[:-1] + ("A" if good[-1] != "A" else "B"), good.swapcase(), "a" * 500):
        assert phone.get(f"/notices/relay/{key}").status_code == 404
        assert phone.submit(f"/notices/relay/{key}/{notice}", {"headcount": "5"}).status_code == 404
    assert phone.submit(f"/notices/relay/{good}/{notice}", {"headcount": "5"}).status_code == 404
    assert "通知 far" not in phone.get(f"/notices/relay/{good}").get_data(as_text=True)


def test_a_form_of_another_site_cannot_confirm(phone: Browser, relays: Relays) -> None:
    relays.add("horn")
    relays.push.publish("n1", relays=True)
    phone.get("/login")
    there = f"/notices/relay/{relays.keys['horn']}/{relays.push.notice('n1').public_id}"
    assert phone.post(there, data={"headcount": "5"}).status_code == 400
    assert relays.said("horn", "n1") is None


def test_a_device_asks_and_confirms_with_its_key_in_a_header(
    phone: Browser, relays: Relays, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    relays.add("horn")
    relays.push.publish("n1", body="请**勿**过河。", relays=True)
    key = {"X-Relay-Key": relays.keys["horn"]}
    tasks = phone.get("/api/v1/notices/relay/notices", headers=key)
    one = tasks.get_json()["items"][0]
    assert (one["text"], one["passed"]) == ("请勿过河。", None) and tasks.headers[
        "Cache-Control"
    ] == "no-store"
    there = f"/api/v1/notices/relay/notices/{one['id']}/passed"
    at = relays.push.clock.now.isoformat()
    for _ in range(3):
        answer = phone.post(there, json={"headcount": 80, "at": at}, headers=key)
        assert answer.status_code == 200 and answer.get_json()["revision"] == 1
    assert (
        phone.get("/api/v1/notices/relay/notices", headers=key).get_json()["items"][0]["passed"]["headcount"]
        == 80
    )
    for wrong in ({}, {"headcount": -1}, {"headcount": 1.5}, {"headcount": True}, {"headcount": 10**30},
                  {"headcount": 5, "at": "yesterday"}, {"headcount": 5, "at": "0001-01-01T00:00:00Z"},
                  {"headcount": 5, "at": "9999-12-31T23:59:59Z"}):  # fmt: skip
        assert phone.post(there, json=wrong, headers=key).status_code == 422, wrong
    for bad in ({}, {"X-Relay-Key": "relay_x"}, {"X-Relay-Key": relays.keys["horn"][:-2]}):
        assert phone.get("/api/v1/notices/relay/notices", headers=bad).status_code == 401
        assert phone.post(there, json={"headcount": 5}, headers=bad).status_code == 401
    assert relays.keys["horn"] not in caplog.text


def test_the_one_who_looks_after_a_relay_confirms_logged_in_and_nobody_else(
    relays: Relays, make_app: MakeApp, staff: Browser
) -> None:
    relays.push.persons("holder", "reader")
    relay = relays.add("horn", manager="holder")
    relays.push.publish("n1", relays=True)
    there = f"/notices/relays/{relay.public_id}/tasks"
    notice = relays.push.notice("n1").public_id
    app = make_app(site=relays.site)
    holder, reader = browse(app), browse(app)
    with relays.site.reading() as unit:
        from keyun.accounts import User

        holder.log_in(unit.session.get_one(User, relays.push.people["holder"]))
        reader.log_in(unit.session.get_one(User, relays.push.people["reader"]))
    for page in ("/account", "/notices/relays/mine"):
        assert there in holder.get(page).get_data(as_text=True)
        assert there not in reader.get(page).get_data(as_text=True)
    assert "通知 n1" in holder.get(there).get_data(as_text=True)
    assert holder.submit(f"{there}/{notice}", {"headcount": "12"}).status_code == 303
    assert reader.get(there).status_code == 404
    assert reader.submit(f"{there}/{notice}", {"headcount": "13"}).status_code == 404
    assert holder.get(f"/notices/relays/{relay.public_id}").status_code == 403, "only staff manage relays"
    assert staff.submit(f"{there}/{notice}", {"headcount": "14"}).status_code == 303, (
        "by telephone, through staff"
    )
    assert relays.history("horn", "n1") == [(1, 12), (2, 14)]
    api = f"/api/v1/notices/relays/{relay.public_id}/notices/{notice}/passed"
    token = {"X-CSRFToken": holder.csrf_token()}
    assert holder.post(api, json={"headcount": 15}, headers=token).get_json()["revision"] == 3


def test_programs_of_staff_set_relays_up(staff: Browser, relays: Relays) -> None:
    token = {"X-CSRFToken": staff.csrf_token()}
    made = staff.post("/api/v1/notices/relays", json={**FORM, "headcount": 400}, headers=token)
    body = made.get_json()
    assert made.status_code == 201 and body["link"].endswith(f"/notices/relay/{body['key']}")
    listed = staff.get("/api/v1/notices/relays").get_json()
    assert [r["id"] for r in listed["items"]] == [body["id"]] and body["key"] not in str(listed)
    new = staff.post(f"/api/v1/notices/relays/{body['id']}/key", headers=token).get_json()
    assert new["key"] != body["key"]
    assert (
        staff.post(f"/api/v1/notices/relays/{body['id']}/close", headers=token).get_json()["active"] is False
    )


def test_the_commands_set_up_rotate_confirm_and_close(relays: Relays) -> None:
    # Commands go by the clock of the machine, which shows a later day.
    relays.push.clock.now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = json.loads(
        keyun(relays, "add", "村口大喇叭", "--kind", "loudspeaker", "--region", DONGPO, "--json").stdout
    )
    relays.push.publish("n1", relays=True)
    notice = relays.push.notice("n1").public_id
    said = keyun(relays, "passed", made["id"], notice, "--headcount", "60")
    assert said.exit_code == 0 and "about 60 people, statement 1" in said.output
    refused = keyun(relays, "passed", made["id"], notice, "--headcount", "60", "--at", "2001-01-01T00:00")
    assert refused.exit_code == 1 and "早于通知" in refused.output
    rotated = keyun(relays, "rotate", made["id"])
    assert (
        rotated.exit_code == 0
        and made["key"] not in rotated.output
        and "/notices/relay/relay_" in rotated.output
    )
    assert keyun(relays, "close", made["id"]).output == "closed\n"
    assert "(closed)" in keyun(relays, "list").output
    assert keyun(relays, "rotate", made["id"]).exit_code == 1
