"""Plugins hear what is opened: what they are told, and that no page depends on it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keyun.content import Opening
from keyun.site import Site
from keyun.testing import MakeApp, MakeSite, browse, make_item, make_user
from keyun.web.visitors import Visitors, agent_of, channel_of

WritePlugin = Callable[..., Path]
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
SHOWN = {"source": "示范资料", "voucher": "示范学会"}
ARTICLE: dict[str, Any] = {"category": "life", "region": "511402", **SHOWN}
LISTENER = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_content_opened(self, opening):
        self.heard = [*getattr(self, "heard", ()), opening]
"""
FAILING = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_content_opened(self, opening):
        raise RuntimeError("the disk is full")
"""
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"
PHONE = "Mozilla/5.0 (Linux; Android 7.0; SM-G930) AppleWebKit/537.36 Chrome/86.0 Mobile Safari/537.36"


def article(site: Site, **more: Any) -> str:
    with site.writing() as unit:
        item = make_item(unit, "popsci.article", title="看星星", **{**ARTICLE, **more})
        return f"/popsci/{item.public_id}"


def heard(site: Site) -> list[Opening]:
    return list(getattr(site.plugins.plugins["ear"], "heard", ()))


@pytest.fixture
def site(make_site: MakeSite, write_plugin: WritePlugin) -> Site:
    write_plugin("ear", LISTENER)
    return make_site("popsci", "ear")


@on_sqlite
def test_hook_content_opened_is_told_what_where_how_and_when(site: Site, make_app: MakeApp) -> None:
    path = article(site)
    browser = browse(make_app(site=site))
    assert browser.get(path, headers={"User-Agent": CHROME}).status_code == 200
    (one,) = heard(site)
    assert (one.type, one.region, one.located) == ("popsci.article", "511402", "item")
    assert (one.channel, one.agent, one.user_id) == ("web", "browser", None)
    assert one.visitor != 0
    assert one.at == site.runtime.clock()


@on_sqlite
def test_the_reader_is_at_home_where_the_account_is_else_where_the_address_says(
    site: Site, make_app: MakeApp
) -> None:
    path = article(site)
    with site.writing() as unit:
        reader = make_user(unit, "reader", region="510105")
    browser = browse(make_app(site=site))
    browser.get(f"{path}?region=511424", headers={"User-Agent": PHONE})
    browser.log_in(reader)
    browser.get(f"{path}?region=511424", headers={"User-Agent": PHONE})
    first, second = heard(site)
    assert (first.region, first.located, first.channel) == ("511424", "chosen", "phone")
    assert (second.region, second.located, second.user_id) == ("510105", "account", reader.id)


@on_sqlite
def test_the_api_is_a_channel_and_a_draft_a_list_or_a_look_at_the_headers_is_no_opening(
    site: Site, make_app: MakeApp
) -> None:
    path, draft = article(site), article(site, publish=False)
    with site.writing() as unit:
        admin = make_user(unit, "admin", roles=[("admin", "100000")])
    browser = browse(make_app(site=site))
    browser.get(f"/api/v1/popsci/articles/{path.rpartition('/')[2]}", headers={"User-Agent": "curl/8"})
    assert [(o.channel, o.agent) for o in heard(site)] == [("api", "program")]
    browser.log_in(admin)
    assert browser.get(draft).status_code == 200
    browser.get("/popsci/")
    browser.head(path)
    assert len(heard(site)) == 1


@on_sqlite
@pytest.mark.parametrize("name", ["Sec-Purpose", "Purpose"])
def test_what_a_browser_fetches_ahead_is_told_apart(site: Site, make_app: MakeApp, name: str) -> None:
    browse(make_app(site=site)).get(article(site), headers={"User-Agent": CHROME, name: "prefetch"})
    assert [o.agent for o in heard(site)] == ["prefetch"]


@on_sqlite
def test_a_page_does_not_depend_on_whoever_hears_of_it(
    make_site: MakeSite, make_app: MakeApp, write_plugin: WritePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin("deaf", FAILING)
    write_plugin("ear", LISTENER)
    site = make_site("popsci", "deaf", "ear")
    with caplog.at_level(logging.ERROR, "keyun.plugins"):
        assert browse(make_app(site=site)).get(article(site)).status_code == 200
    assert "plugin deaf failed in keyun_content_opened" in caplog.text
    assert len(heard(site)) == 1


@on_sqlite
def test_a_page_is_served_when_no_pseudonym_can_be_made(
    site: Site, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    run = site.runtime.instance / "run"
    run.mkdir(exist_ok=True)
    (run / "visitors.salt").mkdir()
    assert browse(make_app(site=site)).get(article(site)).status_code == 200
    assert "could not be noted" in caplog.text


def test_a_visitor_is_known_for_a_day_by_every_process_and_by_nobody_tomorrow(tmp_path: Path) -> None:
    path, day = tmp_path / "run" / "salt", dt.date(2026, 11, 24)
    one, other = Visitors(path), Visitors(path)
    known = one.pseudonym(day, "192.0.2.1", CHROME)
    assert other.pseudonym(day, "192.0.2.1", CHROME) == known
    assert one.pseudonym(day, "192.0.2.2", CHROME) != known
    assert other.pseudonym(day + dt.timedelta(days=1), "192.0.2.1", CHROME) != known
    assert path.stat().st_mode & 0o777 == 0o600
    # The old salt is gone, so even its day cannot be looked up again.
    assert Visitors(path).pseudonym(day, "192.0.2.1", CHROME) != known


def test_a_request_from_right_before_midnight_does_not_change_the_salt_of_the_new_day(tmp_path: Path) -> None:
    path, day = tmp_path / "salt", dt.date(2026, 11, 24)
    one, other = Visitors(path), Visitors(path)
    known = one.pseudonym(day + dt.timedelta(days=1), "192.0.2.1", CHROME)
    for late in (one, other):
        late.pseudonym(day, "192.0.2.1", CHROME)
    for again in (one, other, Visitors(path)):
        assert again.pseudonym(day + dt.timedelta(days=1), "192.0.2.1", CHROME) == known
    assert one.pseudonym(day + dt.timedelta(days=2), "192.0.2.1", CHROME) != known


@pytest.mark.parametrize(
    ("said", "kind", "channel"),
    [
        (CHROME, "browser", "web"),
        (PHONE, "phone", "phone"),
        (PHONE + " MicroMessenger/8.0", "wechat", "phone"),
        ("Mozilla/5.0 (compatible; Baiduspider/2.0)", "robot", "web"),
        ("Mozilla/5.0 (compatible; bingbot/2.0)", "robot", "web"),
        ("AdsBot-Google (+http://www.google.com/adsbot.html)", "robot", "web"),
        (PHONE.replace("SM-G930", "CUBOT ECHO"), "phone", "phone"),
        ("python-requests/2.32", "program", "web"),
        ("", "unknown", "web"),
    ],
)
def test_what_asks_is_told_apart_by_its_name(said: str, kind: str, channel: str) -> None:
    assert agent_of(said) == kind
    assert channel_of("/popsci/1", kind) == channel
    assert channel_of("/api/v1/popsci/articles/1", kind) == "api"
    assert agent_of(said, "prefetch;prerender") == "prefetch"
