"""科普苑 through its doors: pages, API, import, and what disabling does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from keyun.access import Permission, system
from keyun.accounts import User, actor_for
from keyun.content import Content, Draft, find, release
from keyun.errors import Invalid
from keyun.exchange import run
from keyun.forms import load
from keyun.migrate import Migrator
from keyun.plugins import state
from keyun.plugins.manager import Installation
from keyun.search import Query, rebuild, search
from keyun.site import Site
from keyun.testing import Browser, browse, make_user
from keyun_popsci.models import ARTICLE, CATEGORIES, Article
from keyun_popsci.schemas import ArticleSchema

MakeSite = Callable[..., Site]
MakeApp = Callable[..., Flask]
FORM = {
    "title": "柑橘黄龙病如何识别", "summary": "看叶看果", "body": "## 看叶\n斑驳黄化",
    "category": "agriculture", "source": "《柑橘植保》", "voucher": "示范学会", "region": "511402",
}  # fmt: skip


def editor(site: Site, make_app: MakeApp, region: str = "511400", role: str = "editor") -> Browser:
    """The browser of an editor for ``region``."""
    with site.writing() as unit:
        user = make_user(unit, f"{role}-{region}", level=0, roles=[(role, region)])
    client = browse(make_app(site=site))
    client.log_in(user)
    return client


def only(site: Site) -> Article:
    """The one article of ``site``."""
    with site.reading() as unit:
        return unit.session.query(Article).one()


def test_an_editor_publishes_an_article_that_everybody_reads(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("popsci")
    client = editor(site, make_app)
    answer = client.submit("/popsci/new", {**FORM, "publish": "1"})
    assert answer.status_code == 303
    visitor = browse(make_app(site=site))
    page = visitor.get(answer.location).get_data(as_text=True)
    assert "<h2>看叶</h2>" in page
    assert "《柑橘植保》" in page and "示范学会" in page
    assert FORM["title"] in visitor.get("/popsci/").get_data(as_text=True)
    assert FORM["title"] not in visitor.get("/popsci/?category=health").get_data(as_text=True)


@pytest.mark.parametrize(("missing", "words"), [("voucher", "请写明审定者"), ("source", "请写明来源")])
def test_without_voucher_or_source_publication_is_refused_with_the_reason(
    make_site: MakeSite, make_app: MakeApp, missing: str, words: str
) -> None:
    site = make_site("popsci")
    client = editor(site, make_app)
    answer = client.submit("/popsci/new", {**FORM, missing: " ", "publish": "1"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert words in page
    assert "斑驳黄化" in page
    with site.reading() as unit:
        assert unit.session.query(Article).count() == 0


def test_a_draft_may_wait_for_its_voucher_and_is_found_again(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("popsci")
    client = editor(site, make_app)
    place = client.submit("/popsci/new", {**FORM, "voucher": ""}).location
    assert browse(make_app(site=site)).get(place).status_code == 404
    assert "我的未公开文章" in client.get("/popsci/").get_data(as_text=True)
    answer = client.submit(f"{place}/edit", {**FORM, "version": "1", "publish": "1"})
    assert answer.status_code == 303
    assert only(site).state == "published"


def test_an_article_about_health_waits_for_a_reviewer_also_after_a_change(
    make_site: MakeSite, make_app: MakeApp
) -> None:
    site = make_site("popsci")
    client = editor(site, make_app)
    place = client.submit("/popsci/new", {**FORM, "category": "health", "publish": "1"}).location
    visitor = browse(make_app(site=site))
    assert visitor.get(place).status_code == 404
    assert "健康类文章须经审核后公开" in client.get(place).get_data(as_text=True)
    with site.writing() as unit:
        release(system(), unit, find(system(), unit, Article, only(site).public_id))
    assert visitor.get(place).status_code == 200
    changed = {**FORM, "category": "health", "body": "另一种说法", "version": str(only(site).version)}
    assert client.submit(f"{place}/edit", changed).status_code == 303
    assert visitor.get(place).status_code == 404


def test_a_published_article_cannot_lose_its_voucher(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("popsci")
    client = editor(site, make_app)
    place = client.submit("/popsci/new", {**FORM, "publish": "1"}).location
    answer = client.submit(f"{place}/edit", {**FORM, "voucher": "", "version": str(only(site).version)})
    assert answer.status_code == 422
    assert only(site).voucher == "示范学会"


def test_what_somebody_else_changed_first_is_not_overwritten(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("popsci")
    client = editor(site, make_app)
    place = client.submit("/popsci/new", {**FORM, "publish": "1"}).location
    seen = str(only(site).version)
    assert client.submit(f"{place}/edit", {**FORM, "title": "第一次修改", "version": seen}).status_code == 303
    answer = client.submit(f"{place}/edit", {**FORM, "title": "第二次修改", "version": seen})
    assert answer.status_code == 409
    assert "第二次修改" in answer.get_data(as_text=True)
    assert only(site).title == "第一次修改"


def test_only_editors_of_the_region_write(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("popsci")
    stranger = editor(site, make_app, region="510100")
    assert stranger.submit("/popsci/new", {**FORM, "publish": "1"}).status_code == 403
    reader = editor(site, make_app, role="reviewer")
    assert reader.get("/popsci/new").status_code == 403
    assert reader.submit("/popsci/new", FORM).status_code == 403
    assert browse(make_app(site=site)).get("/popsci/new").status_code == 303
    assert "写科普文章" not in reader.get("/popsci/").get_data(as_text=True)


def test_a_withdrawn_article_is_gone_from_list_and_page(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("popsci")
    client = editor(site, make_app)
    place = client.submit("/popsci/new", {**FORM, "publish": "1"}).location
    assert client.submit(f"{place}/withdraw").status_code == 303
    visitor = browse(make_app(site=site))
    assert visitor.get(place).status_code == 404
    assert FORM["title"] not in visitor.get("/popsci/").get_data(as_text=True)


def demo(site: Site) -> Any:
    """Load the demonstration articles."""
    (file,) = site.plugins.demo()
    return run(site, site.importers[file.importer], file.path, system())


def test_the_list_goes_on_page_by_page(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("popsci")
    assert demo(site).failed == 0
    client = browse(make_app(site=site))
    first = client.get("/popsci/").get_data(as_text=True)
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = client.get(following[1].replace("&amp;", "&")).get_data(as_text=True)
    titles = re.compile(r"stretched-link[^>]*>([^<]+)<")
    found = titles.findall(first) + titles.findall(second)
    assert len(found) == len(set(found)) == 24
    assert 'rel="next"' not in second
    assert client.get("/popsci/?after=nonsense").status_code == 422


def test_the_demonstration_is_honest_and_covers_every_category(make_site: MakeSite) -> None:
    site = make_site("popsci")
    (file,) = site.plugins.demo()
    rows = [json.loads(line) for line in Path(file.path).read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 24
    assert {r["voucher"] for r in rows} == {"演示数据"}
    assert {r["category"] for r in rows} == {c.code for c in CATEGORIES}
    for row in rows:
        assert load(ArticleSchema(), row)["title"] == row["title"]
        assert len(row["body"]) > 120


def test_importing_again_changes_only_what_differs(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("popsci")
    path = tmp_path / "articles.jsonl"
    rows = [FORM | {"external_id": str(n), "title": f"第 {n} 篇"} for n in range(3)]

    def load_rows() -> Any:
        path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
        return run(site, site.importers["articles"], path, system())

    assert (load_rows().created, load_rows().changed) == (3, 0)
    rows[1]["body"] = "新的正文"
    rows[2]["voucher"] = ""
    rows.append(FORM | {"external_id": "9", "region": "999999"})
    report = load_rows()
    assert (report.created, report.changed, report.failed) == (0, 1, 2)
    reasons = (tmp_path / "articles.jsonl.errors.csv").read_text(encoding="utf-8-sig")
    assert "请写明审定者" in reasons and "999999" in reasons
    with site.reading() as unit:
        bodies = [a.body for a in unit.session.query(Article).order_by(Article.id)]
    assert bodies == [FORM["body"], "新的正文", FORM["body"]]


def test_an_import_leaves_health_to_reviewers(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("popsci")
    may = Permission("core.import.run", "导入", "import", frozenset({"editor"}))
    site.access = type(site.access)({**site.access.permissions, may.name: may})
    with site.writing() as unit:
        user: User = make_user(unit, roles=[("editor", "100000")])
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(FORM | {"external_id": "1", "category": "health"}), encoding="utf-8")
    run(site, site.importers["articles"], path, actor_for(user))
    assert only(site).state == "submitted"


def test_the_api_lists_and_shows_articles(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("popsci")
    demo(site)
    client = browse(make_app(site=site))
    found = client.get("/api/v1/popsci/articles?category=nature&limit=3").get_json()
    assert [a["category"] for a in found["items"]] == ["nature"] * 3
    rest = client.get(
        "/api/v1/popsci/articles", query_string={"category": "nature", "after": found["next"]}
    ).get_json()
    assert len(rest["items"]) == 1 and rest["next"] is None
    one = client.get(f"/api/v1/popsci/articles/{found['items'][0]['id']}").get_json()
    assert one["body"] and one["source"] and one["voucher"] == "演示数据"
    assert client.get("/api/v1/popsci/articles?category=x").status_code == 422


def test_while_it_is_disabled_its_rows_break_nothing_and_they_come_back(
    make_site: MakeSite, make_app: MakeApp
) -> None:
    site = make_site("popsci", "emergency")
    for file in site.plugins.demo():
        run(site, site.importers[file.importer], file.path, system())
    rebuild(site)
    folder, enabled = site.runtime.instance, ["popsci", "emergency"]
    item = browse(make_app(site=site)).get("/api/v1/popsci/articles?limit=1").get_json()["items"][0]

    def seen(plugins: list[str]) -> dict[str, Any]:
        state.save(folder / "plugins.toml", plugins)
        now = make_site(instance=folder)
        client = browse(make_app(site=now))
        with now.reading() as unit:
            hits = search(system(), unit, Query("地震")).items
        return {
            "page": client.get(item["page"]).status_code,
            "list": client.get("/popsci/").status_code,
            "api": client.get("/api/v1/popsci/articles").status_code,
            "core": client.get(f"/api/v1/content/{item['id']}").status_code,
            "types": {i["type"] for i in client.get("/api/v1/content?limit=100").get_json()["items"]},
            "hits": {content.type for _, content in hits},
            "search": client.get("/search?q=地震").status_code,
            "home": client.get("/").status_code,
        }

    both = {"page": 200, "list": 200, "api": 200, "core": 200, "search": 200, "home": 200}
    gone = both | {"page": 404, "list": 404, "api": 404, "core": 404}
    types = {ARTICLE, "emergency.resource"}
    assert seen(["emergency"]) == gone | {"types": {"emergency.resource"}, "hits": {"emergency.resource"}}
    assert seen(enabled) == both | {"types": types, "hits": types}


def test_the_migration_and_the_models_agree(make_site: MakeSite) -> None:
    site = make_site("popsci")
    Migrator(site.runtime.engine, Installation.scan().manifests).check("popsci")


def test_every_page_is_complete_in_english(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("popsci")
    client = editor(site, make_app)
    plain = {"title": "Title", "summary": "", "body": "Body", "source": "Book", "voucher": "Society"}
    client.get("/?lang=en")
    place = client.submit("/popsci/new", {**FORM, **plain, "publish": "1"}).location
    for path in ("/popsci/", place, f"{place}/edit", "/popsci/new"):
        main = client.get(path).get_data(as_text=True).partition("<main")[2].partition("</main")[0]
        text = re.sub(r"<optgroup.*?</optgroup>|<dd lang=\"zh-CN\">[^<]*</dd>", "", main, flags=re.S)
        assert re.findall(r"[\u4e00-\u9fff]+", re.sub(r"<[^>]+>", " ", text)) == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_screening_minds_its_own_type_only(make_site: MakeSite) -> None:
    site = make_site("popsci")
    draft = Draft("other.type", "t", "", "", None, {})
    assert site.plugins.screen(system(), draft) == []
    with pytest.raises(Invalid, match="分类"):
        load(ArticleSchema(), {**FORM, "category": "gossip"})
    assert issubclass(Article, Content)
