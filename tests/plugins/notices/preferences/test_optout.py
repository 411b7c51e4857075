"""Say no by a signed link: without log-in, with one tap, and back again."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyun.access import system
from keyun.errors import NotFound
from keyun.testing import MakeApp, MakeSite, browse
from keyun_notices.contacts.models import Contact
from keyun_notices.preferences.optout import BadToken, read
from keyun_notices.preferences.services import (
    Wish,
    honour,
    optout_headers,
    optout_token,
    optout_url,
    plan,
    preferences,
)

from .conftest import REGION, World

MAIL = frozenset({"mail"})


def test_looking_at_the_link_changes_nothing_and_one_tap_refuses_the_topic(
    world: World, make_app: MakeApp
) -> None:
    li = world.person("li", Wish(MAIL))
    token = optout_token(world.site, "account", li.public_id, topic="general")
    browser = browse(make_app(site=world.site))
    for _ in range(2):
        page = browser.get(f"/notices/optout/{token}")
        assert page.status_code == 200
        assert page.headers["Cache-Control"] == "no-store"
        assert "「综合通知」" in page.get_data(as_text=True)
    world.publish("a", title="第一条")
    world.work()
    answer = browser.submit(f"/notices/optout/{token}")
    assert answer.status_code == 200
    assert "已退订" in answer.get_data(as_text=True)
    assert "危及生命" in answer.get_data(as_text=True)
    world.publish("b", title="第二条")
    world.publish("c", title="第三条", topic="awards")
    world.work()
    assert world.subjects("li") == ["第一条", "第三条"]


def test_the_answer_leads_back_to_what_was_there_before(world: World, make_app: MakeApp) -> None:
    li = world.person("li", Wish(MAIL, {"general": ("weekly", None)}))
    browser = browse(make_app(site=world.site))
    token = optout_token(world.site, "account", li.public_id, topic="general")
    page = browser.submit(f"/notices/optout/{token}").get_data(as_text=True)
    back = page.split('action="/notices/optout/')[1].split('"')[0]
    assert "恢复接收" in browser.get(f"/notices/optout/{back}").get_data(as_text=True)
    assert "已恢复接收" in browser.submit(f"/notices/optout/{back}").get_data(as_text=True)
    with world.site.reading() as unit:
        assert preferences(system(), unit, li).topics["general"].frequency == "weekly"


@pytest.mark.parametrize("about", [{"topic": "awards"}, {"topic": "general"}, {"channel": "mail"}, {}])
def test_a_refusal_and_its_undoing_are_the_same_as_nothing(world: World, about: dict[str, str]) -> None:
    li = world.person("li", Wish(MAIL, {"awards": ("daily", MAIL)}))
    token = optout_token(world.site, "account", li.public_id, **about)
    with world.site.writing() as unit:
        before = preferences(system(), unit, li)
        asked, back = honour(unit, token)
        assert not asked.undo
        assert honour(unit, token)[0] == asked
        refused = preferences(system(), unit, li)
        assert refused != before
        assert plan(unit, [li.id], about.get("topic", "general"), MAIL).at_once == {"mail": []}
        honour(unit, back)
        assert preferences(system(), unit, li) == before


def test_a_mail_provider_refuses_with_one_post_and_no_cookie(world: World, make_app: MakeApp) -> None:
    li = world.person("li", Wish(MAIL))
    world.publish("a", title="第一条")
    world.work()
    (letter,) = world.letters("li")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = letter["List-Unsubscribe"].strip("<>").removeprefix("https://cloud.example.org")
    browser = browse(make_app(site=world.site))
    assert browser.get(address).json == {"about": "topic", "name": "general", "refused": False, "undo": ""}
    led = browser.get(address, headers={"Accept": "text/html,*/*;q=0.8"})
    assert led.status_code == 303
    assert browser.get(led.location).status_code == 200
    answer = browse(make_app(site=world.site)).post(address, data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["about"], answer.json["name"], answer.json["refused"]) == ("topic", "general", True)
    with world.site.reading() as unit:
        assert preferences(system(), unit, li).topics["general"].frequency == "never"


def test_a_contact_ends_his_consent_by_the_same_kind_of_link(world: World, make_app: MakeApp) -> None:
    with world.site.writing() as unit:
        contact = Contact(
            phone="+8613800000000",
            digest="0" * 64,
            region=REGION,
            consented_at=unit.now,
            created_at=unit.now,
        )
        unit.session.add(contact)
        unit.session.flush()
        public_id, number = contact.public_id, contact.id
    token = optout_token(world.site, "contact", public_id, topic="general")
    browser = browse(make_app(site=world.site))
    assert "删除这个手机号" in browser.get(f"/notices/optout/{token}").get_data(as_text=True)
    done = browser.submit(f"/notices/optout/{token}").get_data(as_text=True)
    assert "手机号已删除" in done
    with world.site.reading() as unit:
        left = unit.session.get_one(Contact, number)
        assert (left.state, left.phone) == ("withdrawn", None)


def test_a_link_that_is_forged_cut_off_or_of_another_site_gets_a_clear_page(
    make_site: MakeSite, make_app: MakeApp, world: World
) -> None:
    li = world.person("li", Wish(MAIL))
    other = make_site("notices")
    other.runtime.config.secret_file.write_bytes(b"the key of another site" * 2)
    good = optout_token(world.site, "account", li.public_id)
    foreign = optout_token(other, "account", li.public_id)
    nobody = optout_token(world.site, "account", str(uuid.uuid4()))
    browser = browse(make_app(site=world.site))
    for token in (foreign, good[:-1], good.replace("a~", "c~", 1), "x", "x" * 900, nobody):
        for answer in (browser.get(f"/notices/optout/{token}"), browser.submit(f"/notices/optout/{token}")):
            assert answer.status_code == 404
            assert "退订链接无效" in answer.get_data(as_text=True)
        assert browser.post(f"/api/v1/notices/optout/{token}").status_code in (400, 404)
    with world.site.reading() as unit:
        assert not preferences(system(), unit, li).inbox_only


def test_a_token_is_short_and_names_nobody(make_site: MakeSite) -> None:
    site = make_site("notices", config={"site": {"url": "https://cloud.example.org"}})
    public = str(uuid.uuid4())
    token = optout_token(site, "account", public, topic="awards")
    assert len(token) < 80
    assert optout_url(site, token) == f"https://cloud.example.org/notices/optout/{token}"
    assert optout_headers(site, token)["List-Unsubscribe"].endswith(f"/api/v1/notices/optout/{token}>")
    assert read(site, token).public_id == public
    assert optout_headers(make_site("notices"), token) == {}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_no_text_but_a_signed_one_is_a_token(make_site: MakeSite) -> None:
    site = make_site("notices")

    @given(st.text(max_size=300))
    def holds(text: str) -> None:
        with pytest.raises(BadToken):
            read(site, text)

    holds()
    assert issubclass(BadToken, NotFound)
