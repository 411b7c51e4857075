"""A county or park site is one row and one command: visible at once everywhere, and all links stay inside."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from flask import Flask

from keyun.access import system
from keyun.accounts import actor_for
from keyun.cli import cli
from keyun.content import Content, create, publish
from keyun.errors import Forbidden, Invalid
from keyun.events import Event
from keyun.site import Site
from keyun.sites.directory import directory
from keyun.sites.services import add_site, change_site, find_site, list_sites, remove_site
from keyun.testing import Browser, Clock, browse, make_user

MakeApp = Callable[..., Flask]
MakeSite = Callable[..., Site]
Keyun = Callable[..., Result]
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
RENSHOU = {"slug": "renshou", "name": "仁寿县科技云", "region": "511421"}
PLUGINS = ("marketplace", "popsci", "emergency")


def open_site(site: Site, **values: Any) -> None:
    with site.writing() as unit:
        add_site(system(), unit, RENSHOU | values)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app(*PLUGINS)
    open_site(app.extensions["keyun"], menu=["popsci", "marketplace"], banner="枇杷之乡", colour="green")
    return app


@pytest.fixture
def visitor(app: Flask) -> Browser:
    return browse(app)


def write(site: Site, kind: str, title: str, region: str | None, **more: Any) -> str:
    """Publish an item of ``kind``; returns its public id."""
    with site.writing() as unit:
        values = {"title": title, "body": f"{title}的正文", "region": region, **more}
        return publish(system(), unit, create(system(), unit, site.types[kind], values)).public_id


def links(page: str) -> set[str]:
    """Every address that a page names, files left out."""
    found = re.findall(r'(?:href|action)="([^"]+)"', page)
    return {a.replace("&amp;", "&") for a in found if not a.startswith(("#", "http", "/static/"))}


# The command -----------------------------------------------------------------------------------------


@pytest.fixture
def keyun(make_instance: Callable[..., Path]) -> Keyun:
    folder = make_instance("marketplace")
    return lambda *words: CliRunner().invoke(cli, ["--instance", str(folder), "sites", *words])


@on_sqlite
def test_a_sub_site_is_opened_changed_listed_and_removed(keyun: Keyun) -> None:
    words = (
        "add",
        "renshou",
        "--name",
        "仁寿县科技云",
        "--region",
        "511421",
        "--menu",
        "marketplace，popsci",
    )
    assert "is open" in keyun(*words).stdout
    assert "was open already" in keyun(*words).stdout
    assert "/s/renshou" in keyun("list").stdout
    assert "changed" in keyun("edit", "renshou", "--banner", "枇杷之乡", "--menu", "").stdout
    assert "like that already" in keyun("edit", "renshou", "--banner", "枇杷之乡").stdout
    (row,) = json.loads(keyun("list", "--json").stdout)
    assert (row["banner"], row["menu"], row["region"]) == ("枇杷之乡", [], "511421")
    assert keyun("remove", "renshou").exit_code == 0
    assert "nothing to remove" in keyun("remove", "renshou").stdout
    assert json.loads(keyun("list", "--json").stdout) == []


@on_sqlite
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "renshou", "--name", "仁寿", "--region", "999999"), "Unknown region code 999999"),
        (("add", "new", "--name", "仁寿", "--region", "511421"), "reserved"),
        (("add", "Ren_shou", "--name", "仁寿", "--region", "511421"), "lower-case letters"),
        (("add", "renshou", "--name", "仁寿", "--region", "511421", "--menu", "nosuch"), "possible: "),
        (("add", "renshou", "--name", "仁寿", "--region", "511421", "--host", "http://x"), "host name"),
        (("edit", "nosuch", "--name", "仁寿"), "keyun sites list"),
    ],
)
def test_what_is_wrong_is_one_sentence_that_says_what_is_possible(
    keyun: Keyun, words: tuple[str, ...], said: str
) -> None:
    done = keyun(*words)
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@on_sqlite
def test_another_sub_site_of_the_same_name_is_refused(keyun: Keyun) -> None:
    assert keyun("add", "renshou", "--name", "仁寿县科技云", "--region", "511421").exit_code == 0
    done = keyun("add", "renshou", "--name", "别的", "--region", "511400")
    assert done.exit_code == 1
    assert "keyun sites edit renshou" in done.stderr


# The service -----------------------------------------------------------------------------------------


def test_slug_and_host_belong_to_one_sub_site(make_site: MakeSite) -> None:
    site = make_site()
    open_site(site, slug="host-park", host="rs.example.org")
    tries = (("slug", {"slug": "host-park"}), ("host", {"slug": "other", "host": "rs.example.org"}))
    for field, values in tries:
        with pytest.raises(Invalid, match="已被另一个子站使用") as refused, site.writing() as unit:
            add_site(system(), unit, RENSHOU | values)
        assert list(refused.value.fields) == [field]


def test_an_administrator_changes_the_sub_sites_of_his_region_only(make_site: MakeSite) -> None:
    site = make_site()
    open_site(site)
    open_site(site, slug="jintang", region="510121")
    with site.writing() as unit:
        meishan = actor_for(make_user(unit, "meishan", roles=[("admin", "511400")]))
        nobody = actor_for(make_user(unit, "nobody"))
        assert [s.slug for s in list_sites(meishan, unit)] == ["renshou"]
        assert change_site(meishan, unit, find_site(meishan, unit, "renshou"), {"banner": "新"})
        for slug in ("jintang", "renshou"):
            with pytest.raises(Forbidden):
                find_site(nobody if slug == "renshou" else meishan, unit, slug)
        with pytest.raises(Forbidden):
            change_site(meishan, unit, find_site(meishan, unit, "renshou"), {"region": "510121"})
        with pytest.raises(Forbidden):
            add_site(meishan, unit, RENSHOU | {"slug": "chengdu", "region": "510100"})


def test_every_change_is_an_event(make_site: MakeSite) -> None:
    site = make_site()
    open_site(site)
    with site.writing() as unit:
        found = find_site(system(), unit, "renshou")
        change_site(system(), unit, found, {"banner": "新"})
        assert not change_site(system(), unit, found, {"banner": "新"})
        remove_site(system(), unit, found)
    with site.reading() as unit:
        names = unit.session.scalars(sa.select(Event.name).where(Event.subject_type == "subsite"))
        assert list(names) == ["subsite.added", "subsite.changed", "subsite.removed"]


def test_the_main_site_s_host_is_not_given_away(make_site: MakeSite) -> None:
    site = make_site(config={"site": {"url": "https://keyun.example.org"}})
    with pytest.raises(Invalid, match="主站的域名"):
        open_site(site, host="keyun.example.org")


# Seen from every process -----------------------------------------------------------------------------


def test_another_process_sees_a_change_within_two_seconds(make_site: MakeSite, clock: Clock) -> None:
    here = make_site()
    there = make_site(instance=here.runtime.instance)
    assert directory(there.runtime).called("renshou") is None
    open_site(here)
    clock.tick(dt.timedelta(seconds=1))
    assert directory(there.runtime).called("renshou") is not None
    with here.writing() as unit:
        change_site(system(), unit, find_site(system(), unit, "renshou"), {"active": False})
    clock.tick(dt.timedelta(seconds=1))
    assert directory(there.runtime).called("renshou") is None


def test_the_process_that_made_a_change_sees_it_at_once(make_site: MakeSite) -> None:
    site = make_site()
    assert directory(site.runtime).called("renshou") is None
    open_site(site)
    assert directory(site.runtime).called("renshou") is not None


def test_the_database_is_asked_once_a_second_and_not_for_every_request(
    make_site: MakeSite, clock: Clock
) -> None:
    site = make_site()
    asked: list[str] = []
    sa.event.listen(
        site.runtime.engine,
        "before_cursor_execute",
        lambda *a: asked.append(a[2]) if "subsite" in a[2] else None,
    )
    for _ in range(50):
        directory(site.runtime).at_host("localhost")
    assert len(asked) == 1
    clock.tick(dt.timedelta(seconds=-60))
    directory(site.runtime).at_host("localhost")
    assert len(asked) == 2


# Pages -----------------------------------------------------------------------------------------------


def test_a_sub_site_has_its_own_name_banner_and_menu(visitor: Browser) -> None:
    page = visitor.get("/s/renshou/").text
    assert "<title>首页 · 仁寿县科技云</title>" in page
    assert "枇杷之乡" in page
    assert 'class="hero hero-green"' in page
    nav = page[page.index('class="site-nav"') : page.index('class="site-user"')]
    assert nav.index("科普苑") < nav.index("供需对接")
    assert "应急科普" not in nav
    assert "应急科普" in visitor.get("/").text
    assert visitor.get("/s/renshou").location == "/s/renshou/"


@pytest.mark.parametrize(
    "path",
    ["/", "/marketplace/", "/marketplace/offers", "/marketplace/match?text=柑橘", "/popsci/",
     "/search?q=柑橘", "/login", "/nowhere"],
)  # fmt: skip
def test_every_link_stays_inside_and_files_are_shared(app: Flask, visitor: Browser, path: str) -> None:
    write(app.extensions["keyun"], "marketplace.offer", "柑橘种植", "511421", discipline="园艺")
    page = visitor.get(f"/s/renshou{path}").text
    outside = {a for a in links(page) if not a.startswith("/s/renshou/")}
    assert outside <= {"/", "/api/v1/docs"}
    assert 'href="/static/keyun/keyun.css?v=' in page
    assert "/s/renshou/static" not in page


def test_files_and_the_interface_have_one_address(visitor: Browser) -> None:
    assert visitor.get("/s/renshou/static/keyun/keyun.css?v=1").location == "/static/keyun/keyun.css?v=1"
    assert (
        visitor.get("/s/renshou/api/v1/marketplace/offers?limit=1").location
        == "/api/v1/marketplace/offers?limit=1"
    )


@pytest.mark.parametrize("path", ["static/%0D%0ASet-Cookie%3A%20x%3D1", "api/v1/a%3Fb", "static/%E8%8B%97"])
def test_what_is_no_part_of_a_path_stays_quoted_on_the_way(visitor: Browser, path: str) -> None:
    answer = visitor.get(f"/s/renshou/{path}")
    assert (answer.status_code, answer.location) == (308, f"/{path}")


def test_the_home_page_shows_what_is_new_in_the_region(app: Flask, visitor: Browser) -> None:
    site = app.extensions["keyun"]
    write(site, "marketplace.offer", "仁寿枇杷保鲜", "511421", discipline="园艺")
    write(site, "marketplace.offer", "成都芯片测试", "510104", discipline="园艺")
    page = visitor.get("/s/renshou/").text
    assert "仁寿枇杷保鲜" in page and "成都芯片测试" not in page
    with site.writing() as unit:
        change_site(system(), unit, find_site(system(), unit, "renshou"), {"home": "欢迎 **来访**"})
    assert "<strong>来访</strong>" in visitor.get("/s/renshou/").text


def test_lists_and_forms_begin_with_the_region_and_can_be_widened(app: Flask, visitor: Browser) -> None:
    site = app.extensions["keyun"]
    write(site, "marketplace.offer", "仁寿枇杷保鲜", "511421", discipline="园艺")
    write(site, "marketplace.offer", "成都芯片测试", "510104", discipline="园艺")
    page = visitor.get("/s/renshou/marketplace/offers").text
    assert "仁寿枇杷保鲜" in page and "成都芯片测试" not in page
    assert '<option value="511421" selected>' in page
    assert "成都芯片测试" in visitor.get("/s/renshou/marketplace/offers?region=").text
    assert "成都芯片测试" in visitor.get("/marketplace/offers").text
    with site.writing() as unit:
        visitor.log_in(make_user(unit, level=1))
    for form in ("needs", "offers"):
        assert '<option value="511421" selected>' in visitor.get(f"/s/renshou/marketplace/{form}/new").text


def test_articles_of_the_region_and_of_all_regions_are_listed(app: Flask, visitor: Browser) -> None:
    site = app.extensions["keyun"]
    more = {"category": "agriculture", "source": "农技手册", "voucher": "省农学会"}
    for title, region in (("仁寿的", "511421"), ("全省的", "510000"), ("成都的", "510104")):
        write(site, "popsci.article", title, region, **more)
    page = visitor.get("/s/renshou/popsci/").text
    assert all(title in page for title in ("仁寿的", "全省的"))
    assert "成都的" not in page
    assert "成都的" in visitor.get("/s/renshou/popsci/?region=").text


def test_a_search_begins_with_the_region_and_says_how_to_widen_it(app: Flask, visitor: Browser) -> None:
    from keyun.search import rebuild

    site = app.extensions["keyun"]
    write(site, "marketplace.offer", "柑橘保鲜一", "511421", discipline="园艺")
    write(site, "marketplace.offer", "柑橘保鲜二", "510104", discipline="园艺")
    rebuild(site)
    page = visitor.get("/s/renshou/search?q=柑橘保鲜").text
    assert "1 条结果" in page
    wider = re.search(r'<a href="([^"]+)">在全部地区中搜索', page)
    assert wider is not None
    assert "2 条结果" in visitor.get(wider[1].replace("&amp;", "&")).text


def test_a_log_in_is_shared_and_leads_back_inside(app: Flask, visitor: Browser) -> None:
    with app.extensions["keyun"].writing() as unit:
        make_user(unit, "li", name="李四", password="first password")
    asked = visitor.get("/s/renshou/account")
    assert asked.location == "/s/renshou/login?next=/s/renshou/account"
    form = {"login": "li", "password": "first password"}
    answer = visitor.submit("/s/renshou/login", form | {"next": "/s/renshou/account"})
    assert answer.location == "/s/renshou/account"
    assert "李四" in visitor.get("/s/renshou/account").text
    assert "李四" in visitor.get("/account").text
    for target in ("https://evil.example/", "//evil.example", "/account", "/s/other/", "/s/renshouX/"):
        assert visitor.submit("/s/renshou/login", form | {"next": target}).location == "/s/renshou/"


def test_the_language_is_switched_inside(visitor: Browser) -> None:
    page = visitor.get("/s/renshou/popsci/").text
    link = re.search(r'href="(/s/renshou/lang\?[^"]+)"', page)
    assert link is not None
    assert visitor.get(link[1].replace("&amp;", "&")).location == "/s/renshou/popsci/"


def test_search_engines_are_told_the_page_of_the_main_site(visitor: Browser) -> None:
    def canonical(path: str) -> str:
        found = re.search(r'rel="canonical" href="([^"]+)"', visitor.get(path).text)
        assert found is not None
        return found[1]

    assert canonical("/s/renshou/popsci/") == "http://localhost/popsci/"
    assert canonical("/s/renshou/") == "http://localhost/s/renshou/"
    assert canonical("/popsci/") == "http://localhost/popsci/"


def test_search_engines_are_told_the_address_of_the_operator_whatever_host_was_asked(
    make_app: MakeApp,
) -> None:
    app = make_app("popsci", config={"site": {"url": "https://keyun.example.org"}})
    open_site(app.extensions["keyun"])
    client = browse(app)
    for path in ("/", "/popsci/", "/s/renshou/"):
        page = client.get(path, base_url="http://elsewhere.example").text
        assert f'rel="canonical" href="https://keyun.example.org{path}"' in page


def test_an_item_without_the_row_of_its_plugin_is_not_among_what_is_new(app: Flask, visitor: Browser) -> None:
    site = app.extensions["keyun"]
    more = {"category": "nature", "source": "手册", "voucher": "学会"}
    whole = write(site, "popsci.article", "枇杷", "511421", **more)
    bare = write(site, "popsci.article", "荔枝", "511421", **more)
    with site.writing() as unit:
        number = sa.select(Content.id).where(Content.public_id == bare).scalar_subquery()
        own = site.types["popsci.article"].model.__table__
        unit.session.execute(sa.delete(own).where(own.c.id == number))
    page = visitor.get("/s/renshou/").text
    assert f"/popsci/{whole}" in page
    assert f"/popsci/{bare}" not in page
    assert visitor.get(f"/popsci/{bare}").status_code == 404


@pytest.mark.parametrize("path", ["/s/nosuch", "/s/nosuch/", "/s/nosuch/popsci/", "/s/", "/s//"])
def test_an_unknown_sub_site_is_a_page_that_helps(visitor: Browser, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 404
    assert 'href="/"' in answer.text
    assert "<h1" in answer.text


def test_a_closed_sub_site_is_gone(app: Flask, visitor: Browser) -> None:
    assert visitor.get("/s/renshou/").status_code == 200
    site = app.extensions["keyun"]
    with site.writing() as unit:
        change_site(system(), unit, find_site(system(), unit, "renshou"), {"active": False})
    answer = visitor.get("/s/renshou/")
    assert answer.status_code == 404
    assert "没有名为 renshou 的子站" in answer.text


def test_a_menu_entry_of_a_plugin_that_is_off_does_not_show(make_app: MakeApp) -> None:
    app = make_app("popsci")
    open_site(app.extensions["keyun"], menu=["marketplace", "popsci"])
    page = browse(app).get("/s/renshou/")
    assert page.status_code == 200
    assert "科普苑" in page.text and "供需对接" not in page.text


def test_the_home_page_has_no_pieces_of_plugins_outside_the_menu(app: Flask, visitor: Browser) -> None:
    assert 'id="marketplace-home"' in visitor.get("/s/renshou/").text
    with app.extensions["keyun"].writing() as unit:
        change_site(system(), unit, find_site(system(), unit, "renshou"), {"menu": ["popsci"]})
    assert 'id="marketplace-home"' not in visitor.get("/s/renshou/").text
    assert 'id="marketplace-home"' in visitor.get("/").text


@pytest.mark.parametrize("path", ["/", "/search?q=a", "/login", "/nowhere"])
def test_a_sub_site_in_english_has_no_chinese_left(make_app: MakeApp, path: str) -> None:
    app = make_app()
    open_site(app.extensions["keyun"], name_en="Renshou S&T Cloud", banner="枇杷之乡", banner_en="Loquats")
    text = browse(app).get(f"/s/renshou{path}{'&' if '?' in path else '?'}lang=en").text
    assert (
        re.findall(
            r"[\u4e00-\u9fff]", re.sub(r'<(\w+)[^>]* lang="zh-CN"[^>]*>.*?</\1>', "", text, flags=re.S)
        )
        == []
    )


def test_a_sub_site_works_with_every_plugin_off(make_app: MakeApp) -> None:
    app = make_app()
    open_site(app.extensions["keyun"])
    page = browse(app).get("/s/renshou/").text
    assert "仁寿县科技云" in page
    assert "还没有公开的内容" in page


# A host of its own -----------------------------------------------------------------------------------


def test_a_host_of_its_own_shows_the_sub_site_without_a_prefix(make_app: MakeApp) -> None:
    app = make_app("popsci", config={"site": {"url": "https://keyun.example.org"}})
    open_site(app.extensions["keyun"], host="rs.example.org")
    client = browse(app)

    def get(path: str, host: str) -> str:
        return client.get(path, base_url=f"http://{host}").text

    page = get("/", "rs.example.org:5000")
    assert "仁寿县科技云" in page
    assert 'href="https://keyun.example.org/"' in page
    assert '<a href="/popsci/">' in page
    assert 'rel="canonical" href="https://keyun.example.org/popsci/"' in get("/popsci/", "RS.example.org")
    assert 'rel="canonical" href="http://rs.example.org/"' in get("/", "rs.example.org")
    assert "仁寿县科技云" not in get("/", "rs.example.org.evil.example")
    assert "仁寿县科技云" not in get("/", "localhost")


def test_a_proxy_says_which_host_was_asked_for_only_when_it_is_trusted(make_app: MakeApp) -> None:
    for proxies, seen in ((0, False), (1, True)):
        app = make_app(config={"web": {"proxies": proxies}})
        open_site(app.extensions["keyun"], host="rs.example.org")
        page = browse(app).get("/", headers={"X-Forwarded-Host": "rs.example.org"}).text
        assert ("仁寿县科技云" in page) is seen


# The admin area --------------------------------------------------------------------------------------


@pytest.fixture
def admin(app: Flask) -> Browser:
    client = browse(app)
    with app.extensions["keyun"].writing() as unit:
        client.log_in(make_user(unit, "meishan", level=2, roles=[("admin", "511400")]))
    return client


def test_an_administrator_opens_changes_and_removes_one_on_a_page(admin: Browser) -> None:
    form = {
        "slug": "danleng",
        "name": "丹棱县科技云",
        "region": "511424",
        "menu": "popsci，marketplace",
        "active": "1",
    }
    assert admin.submit("/admin/sites/new", form).location == "/admin/sites"
    assert "丹棱县科技云" in admin.get("/s/danleng/").text
    page = admin.get("/admin/sites/danleng").text
    assert 'value="popsci, marketplace"' in page
    assert (
        admin.submit("/admin/sites/danleng", form | {"name": "丹棱科技云", "banner": "新"}).status_code == 303
    )
    assert "丹棱科技云" in admin.get("/admin/sites").text
    del form["active"]
    assert admin.submit("/admin/sites/danleng", form).status_code == 303
    assert admin.get("/s/danleng/").status_code == 404
    assert admin.submit("/admin/sites/danleng/remove").status_code == 303
    assert "danleng" not in admin.get("/admin/sites").text.replace("子站 danleng 已删除", "")


def test_a_refused_form_keeps_what_was_typed_and_says_what_is_possible(admin: Browser) -> None:
    form = {"slug": "New!", "name": "丹棱县科技云", "region": "511424", "menu": "nosuch", "host": "x y"}
    answer = admin.submit("/admin/sites/new", form)
    assert answer.status_code == 422
    assert 'value="丹棱县科技云"' in answer.text
    assert 'aria-describedby="slug-error' in answer.text and 'aria-describedby="host-error' in answer.text
    answer = admin.submit("/admin/sites/new", form | {"slug": "danleng", "host": ""})
    assert "可选：" in answer.text and 'value="nosuch"' in answer.text


def test_a_sub_site_elsewhere_is_not_his(app: Flask, admin: Browser) -> None:
    open_site(app.extensions["keyun"], slug="jintang", name="金堂县科技云", region="510121")
    page = admin.get("/admin/sites").text
    assert "仁寿县科技云" in page and "金堂县科技云" not in page
    assert admin.get("/admin/sites/jintang").status_code == 403
    assert admin.submit("/admin/sites/jintang/remove").status_code == 403
    form = {"slug": "qionglai", "name": "邛崃科技云", "region": "510183"}
    assert admin.submit("/admin/sites/new", form).status_code == 403
    assert admin.submit("/admin/sites/renshou", {"name": "x仁寿", "region": "510121"}).status_code == 403
