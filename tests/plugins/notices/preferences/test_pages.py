"""The page of preferences, the account page, the API and the commands."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from keyun.access import system
from keyun.accounts import create_token
from keyun.cli import cli
from keyun.errors import Forbidden, Invalid
from keyun.testing import MakeApp, MakeSite, browse, make_user
from keyun_notices.models import ChosenChannel, Preference, TopicChoice
from keyun_notices.preferences.services import Wish, change, own, preferences
from keyun_notices.preferences.topics import topics

from .conftest import World

MAIL = frozenset({"mail"})
FORM = {
    "channel": "mail",
    "frequency-awards": "daily",
    "quiet_from": "21:30",
    "quiet_until": "08:00",
    "daily_cap": "3",
    "impersonal": "yes",
}


def rows(world: World) -> int:
    """How many rows say that somebody differs from the defaults."""
    with world.site.reading() as unit:
        models: tuple[Any, ...] = (Preference, ChosenChannel, TopicChoice)
        return sum(unit.session.scalar(sa.select(sa.func.count()).select_from(m)) or 0 for m in models)


def test_the_form_shows_the_defaults_and_keeps_what_differs_from_them(
    world: World, make_app: MakeApp
) -> None:
    li = world.person("li")
    browser = browse(make_app(site=world.site))
    assert browser.get("/notices/preferences").status_code == 303
    browser.log_in(li)
    page = browser.get("/notices/preferences")
    assert page.headers["Cache-Control"] == "no-store"
    assert all(t in page.get_data(as_text=True) for t in ("综合通知", "科普", 'value="22:00"', "危及生命"))
    assert rows(world) == 0
    assert browser.submit("/notices/preferences", FORM).status_code == 303
    page_text = browser.get("/notices/preferences").get_data(as_text=True)
    assert 'value="21:30"' in page_text
    with world.site.reading() as unit:
        found = preferences(system(), unit, li)
    assert (found.channels, found.daily_cap, found.impersonal) == (MAIL, 3, True)
    assert found.topics["awards"].frequency == "daily"
    assert found.topics["popsci"].frequency == "weekly"
    assert rows(world) == 3
    usual = {"quiet_from": "22:00", "quiet_until": "07:00", "daily_cap": "6"}
    assert browser.submit("/notices/preferences", usual).status_code == 303
    assert rows(world) == 0


def test_what_is_wrong_is_said_beside_what_was_typed(world: World, make_app: MakeApp) -> None:
    browser = browse(make_app(site=world.site))
    browser.log_in(world.person("li"))
    wrong = {**FORM, "daily_cap": "51", "quiet_until": "", "frequency-awards": "hourly"}
    answer = browser.submit("/notices/preferences", wrong)
    assert answer.status_code == 422
    text = answer.get_data(as_text=True)
    assert 'value="51"' in text
    assert text.count('aria-invalid="true"') == 4
    assert browser.submit("/notices/preferences", {"channel": "pigeon"}).status_code == 422
    assert rows(world) == 0


def test_quiet_hours_can_be_turned_off(world: World, make_app: MakeApp) -> None:
    li = world.person("li")
    browser = browse(make_app(site=world.site))
    browser.log_in(li)
    assert browser.submit("/notices/preferences", {**FORM, "loud": "yes"}).status_code == 303
    with world.site.reading() as unit:
        found = preferences(system(), unit, li)
    assert found.quiet_from == found.quiet_until


def test_the_account_page_leads_to_the_preferences_in_both_languages(world: World, make_app: MakeApp) -> None:
    browser = browse(make_app(site=world.site))
    browser.log_in(world.person("li"))
    assert 'href="/notices/preferences"' in browser.get("/account").get_data(as_text=True)
    english = browser.get("/notices/preferences?lang=en").get_data(as_text=True)
    assert "Notice preferences" in english
    assert "A digest each week" in english


def test_nobody_changes_the_preferences_of_another(world: World) -> None:
    from keyun.accounts import actor_for

    li, chen = world.person("li"), world.person("chen", roles=[("admin", "100000")])
    with world.site.writing() as unit:
        with pytest.raises(Forbidden):
            change(actor_for(chen), unit, li, Wish(MAIL), MAIL)
        assert own(actor_for(chen), unit).id == chen.id
        with pytest.raises(Forbidden):
            own(system(), unit)
        with pytest.raises(Invalid):
            change(system(), unit, li, Wish(topics={"nothing": ("daily", None)}), MAIL)


def test_programs_read_and_change_their_own_preferences(world: World, make_app: MakeApp) -> None:
    li = world.person("li")
    with world.site.writing() as unit:
        key = create_token(system(), unit, li, "test")
    client = make_app(site=world.site).test_client()
    said = {"Authorization": f"Bearer {key}"}
    address = "/api/v1/notices/preferences"
    assert client.get(address).status_code in (401, 403)
    body = {
        "channels": ["mail"],
        "topics": {"awards": {"frequency": "daily", "channels": ["mail"]}},
        "quiet_from": "00:00",
        "quiet_until": "06:00",
    }
    assert client.put(address, json=body, headers=said).status_code == 200
    found = client.get(address, headers=said).json
    assert found is not None
    assert (found["channels"], found["quiet_until"], found["inbox_only"]) == (["mail"], "06:00", False)
    assert [t["channels"] for t in found["topics"] if t["name"] == "awards"] == [["mail"]]
    assert found["available"] == [{"name": "mail", "title": "邮件", "title_en": "E-mail", "reaches": True}]
    for wrong in (
        {"channels": ["pigeon"]},
        {"topics": {"nothing": {"frequency": "daily"}}},
        {"quiet_from": "22:00"},
        {"quiet_from": "24:00", "quiet_until": "07:00"},
        {"daily_cap": 0},
        {"daily_cap": 10**12},
        {"something": 1},
    ):
        assert client.put(address, json=wrong, headers=said).status_code == 422, wrong
    names = [t["name"] for t in client.get("/api/v1/notices/topics").json["items"]]  # type: ignore[index]
    assert names == ["general", "awards", "policies", "popsci"]


def test_a_topic_comes_with_its_plugin_and_a_broken_one_is_passed_over(
    make_site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    site = make_site("notices", "emergency")
    assert list(topics(site)) == ["emergency", "general", "awards", "policies"]

    class Broken:
        """A plugin that declares nonsense."""

        def keyun_notices_topics(self) -> list[dict[str, str]]:
            """Bad name."""
            return [{"name": "Not a name", "title": "", "title_en": ""}]

    from keyun.plugins import hookimpl

    Broken.keyun_notices_topics = hookimpl(Broken.keyun_notices_topics)  # type: ignore[method-assign]
    site.plugins._pm.register(Broken())
    assert list(topics(site)) == ["emergency", "general", "awards", "policies"]
    assert "keyun_notices_topics" in caplog.text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_operator_lists_topics_looks_at_a_person_and_counts_digests(world: World) -> None:
    world.person("li", Wish(MAIL, {"general": ("daily", None)}))
    world.publish("a")
    world.work()
    folder = str(world.site.runtime.instance)

    def keyun(*words: str) -> Any:
        result = CliRunner().invoke(cli, ["--instance", folder, "notices", *words])
        assert result.exit_code == (1 if "nobody" in words else 0), result.output
        return result.output

    assert "awards" in keyun("topics")
    assert json.loads(keyun("topics", "--json"))[0]["name"] == "general"
    assert "mail" in keyun("preferences", "li")
    assert json.loads(keyun("preferences", "li", "--json"))["channels"] == ["mail"]
    assert "no user" in keyun("preferences", "nobody")
    # The commands read the clock of the wall, by which the item of 2027 is yet to come or long past.
    counted = json.loads(keyun("digest", "--dry-run", "--json"))
    assert [c["kind"] for c in counted] == ["daily", "weekly"]


def test_a_dry_run_counts_what_a_run_makes_and_makes_nothing(world: World) -> None:
    import datetime as dt

    from keyun_notices.preferences import digests

    world.person("li", Wish(MAIL, {"general": ("daily", None)}))
    world.person("chen", Wish(MAIL, {"general": ("daily", None)}))
    world.publish("a")
    world.publish("b")
    world.work()
    world.clock.tick(dt.timedelta(hours=16))
    for _ in range(2):
        daily, weekly = digests.dry_run(world.site)
        assert (daily["digests"], daily["notices"], weekly["digests"]) == (2, 4, 0)
    assert digests.run(world.site) == 2
    assert digests.dry_run(world.site)[0]["digests"] == 0


def test_a_person_takes_his_preferences_along_and_they_go_with_him(world: World) -> None:
    from keyun.accounts.personal import erase, export

    li = world.person("li", Wish(MAIL, {"general": ("daily", None)}, daily_cap=3))
    world.publish("a")
    world.work()
    with world.site.writing() as unit:
        held = export(system(), unit, li)
        assert held["notices_preference"][0]["daily_cap"] == 3
        assert held["notices_preference_channel"][0]["channel"] == "mail"
        assert held["notices_digest_item"][0]["user_id"] == "self"
        user = make_user(unit, "other")
        erase(system(), unit, li)
    assert user.id
    assert rows(world) == 0
