"""The frame around every page: language, menu, pieces of plugins, health."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from keyun.plugins import state
from keyun.site import Site
from keyun.testing import Browser, browse, make_user

MakeApp = Callable[..., Flask]
MakeSite = Callable[..., Site]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
#: Names of places, organizations and the other language say that they are Chinese.
MARKED = re.compile(r'<(\w+)[^>]* lang="zh-CN"[^>]*>.*?</\1>', re.S)
SCRIPT = "<script>alert('ke')</script>\"'><img src=x>"


def page(client: Browser, path: str) -> str:
    return client.get(path).get_data(as_text=True)


@pytest.mark.parametrize("path", ["/", "/login", "/register", "/nowhere", "/search"])
def test_a_page_in_english_has_no_chinese_left(client: Browser, path: str) -> None:
    text = page(client, f"{path}?lang=en")
    assert '<html lang="en">' in text
    assert CHINESE.findall(MARKED.sub("", text)) == []


def test_an_account_in_english_has_no_chinese_left(make_app: MakeApp) -> None:
    app = make_app()
    client = browse(app)
    with app.extensions["keyun"].writing() as unit:
        client.log_in(make_user(unit, level=0, roles=[("reviewer", "510000")]))
    for path in ("/account", "/review", "/"):
        assert CHINESE.findall(MARKED.sub("", page(client, f"{path}?lang=en"))) == []
    answer = client.submit("/account", {"name": "", "region": ""})
    assert CHINESE.findall(MARKED.sub("", answer.get_data(as_text=True))) == []


def test_the_language_is_remembered_and_the_other_one_offered(client: Browser) -> None:
    assert '<html lang="zh-CN">' in page(client, "/login")
    link = re.search(r'href="(/lang\?[^"]+)"', page(client, "/search?q=a%26b"))
    assert link is not None
    answer = client.get(link[1].replace("&amp;", "&"))
    assert answer.location == "/search?q=a%26b"
    assert '<html lang="en">' in page(client, "/login")
    assert '<html lang="zh-CN">' in page(client, "/login?lang=zh")
    assert '<html lang="zh-CN">' in page(client, "/login?lang=xx")


def test_the_language_link_leads_to_no_other_site(client: Browser) -> None:
    assert client.get("/lang?lang=en&next=//evil.example").location == "/"


def test_every_page_has_one_heading_and_a_way_past_the_menu(client: Browser) -> None:
    for path in ("/", "/login", "/register", "/nowhere", "/search"):
        text = page(client, path)
        assert text.count("<h1") == 1
        assert 'href="#main"' in text
        assert 'id="main"' in text
        assert '<meta name="viewport"' in text


def test_pieces_and_menu_entries_of_plugins_stand_in_order(make_app: MakeApp, notes: str) -> None:
    client = browse(make_app(notes))
    text = page(client, "/")
    assert text.index("<p>first</p>") < text.index("<p>second</p>")
    assert '<a href="/notes/">笔记</a>' in text
    assert "nowhere" not in text
    assert 'aria-current="page">笔记</a>' in page(client, "/notes/")


def test_the_core_alone_has_a_home_page_that_says_what_to_do(client: Browser) -> None:
    assert "keyun plugins enable" in page(client, "/")


def test_files_of_a_plugin_have_an_address_that_changes_with_them(make_app: MakeApp, notes: str) -> None:
    client = browse(make_app(notes))
    address = re.search(r'src="(/static/notes/a/dot\.svg\?v=[0-9a-f]{12})"', page(client, "/notes/"))
    assert address is not None
    assert client.get(address[1]).status_code == 200
    for path in ("notes/../plugin.py", "notes/%2e%2e/plugin.py", "other/x", "notes/a", "notes/none"):
        assert client.get(f"/static/{path}").status_code == 404
    assert client.get("/favicon.ico").status_code == 200


def test_a_text_with_a_script_is_shown_and_not_run(make_app: MakeApp, notes: str) -> None:
    client = browse(make_app(notes))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page(client, "/notes/")


def test_a_script_typed_into_any_field_is_shown_as_typed(make_app: MakeApp) -> None:
    app = make_app()
    client = browse(app)
    with app.extensions["keyun"].writing() as unit:
        user = make_user(unit, name=SCRIPT)
    forms = {
        "/login": ("login", "password", "next"),
        "/register": ("login", "name", "region", "email", "password", "next"),
        "/account": ("name", "region"),
        "/account/password": ("old", "new"),
    }
    for path, names in forms.items():
        if path == "/account":
            client.log_in(user)
        text = client.submit(path, dict.fromkeys(names, SCRIPT)).get_data(as_text=True)
        assert "<script>alert" not in text
        assert "<img src=x>" not in text
    for path in ("/search", "/", "/login", "/lang", "/nowhere"):
        text = client.get(path, query_string=dict.fromkeys(("q", "next", "lang", "type"), SCRIPT)).text
        assert "<script>alert" not in text
        assert "<img src=x>" not in text


def test_a_visitor_is_sent_to_log_in_and_comes_back(client: Browser) -> None:
    answer = client.get("/account?x=1")
    assert answer.status_code == 303
    assert answer.location == "/login?next=/account?x%3D1"
    assert 'name="next" value="/account?x=1"' in page(client, answer.location)
    assert client.submit("/account", {"name": "x"}).status_code == 403


def test_who_may_not_review_is_told_so(make_app: MakeApp) -> None:
    app = make_app()
    client = browse(app)
    with app.extensions["keyun"].writing() as unit:
        client.log_in(make_user(unit))
    answer = client.get("/review")
    assert answer.status_code == 403
    assert "没有权限：「审核内容」。" in answer.get_data(as_text=True)
    assert 'href="/review"' not in page(client, "/")


def test_the_frame_shows_who_runs_the_site(make_app: MakeApp) -> None:
    site = {"operator": "示范科协", "icp": "示ICP备0号", "police": "示公网安备0号"}
    client = browse(make_app(config={"site": {**site, "title": "示范云", "demo": True}}))
    text = page(client, "/")
    for words in ("示范科协", "示ICP备0号", "示公网安备0号", "演示数据", "示范云", 'href="/api/v1/docs"'):
        assert words in text


def test_the_home_region_can_be_picked_without_a_script(client: Browser) -> None:
    text = page(client, "/register")
    assert '<optgroup label="眉山市"' in text
    assert '<option value="511424">丹棱县</option>' in text
    assert len(re.findall(r'<option value="51\d{4}"', text)) > 183


def test_health_needs_nothing_and_readiness_names_what_is_wrong(make_app: MakeApp, notes: str) -> None:
    client = browse(make_app(notes, "not_installed"))
    assert client.get("/healthz").text == "ok\n"
    answer = client.get("/readyz")
    ready = answer.get_json()
    assert answer.status_code == 200
    assert ready["plugins"] == ["notes"]
    assert "not_installed" in ready["faulted"]
    assert ready["database"] == "ok"
    assert ready["generation"] == 1


def test_a_plugin_whose_tables_are_missing_is_pending(make_app: MakeApp, make_site: MakeSite) -> None:
    site = make_app().extensions["keyun"]
    state.save(site.runtime.config.state_file, ["marketplace"])
    ready = browse(make_app(site=make_site(instance=site.runtime.instance))).get("/readyz").get_json()
    assert ready["pending"] == ["marketplace"]
    assert ready["plugins"] == []


def test_a_site_without_its_tables_is_not_ready_and_says_nothing_of_the_inside(make_app: MakeApp) -> None:
    app = make_app()
    client = browse(app)
    with app.extensions["keyun"].runtime.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE core_region"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "core_region" not in answer.text
    assert client.get("/healthz").status_code == 200
