"""应急科普 through its doors: by hazard, never a warning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from keyun.access import system
from keyun.content import Draft
from keyun.exchange import run
from keyun.migrate import Migrator
from keyun.plugins.manager import Installation
from keyun.search import Query, rebuild, search
from keyun.site import Site
from keyun.testing import Browser, browse, make_user
from keyun_emergency.models import HAZARDS, RESOURCE, Resource

MakeSite = Callable[..., Site]
MakeApp = Callable[..., Flask]
FORM = {
    "title": "泥石流来了怎么跑", "summary": "向两侧高处", "body": "向沟谷两侧的高处跑。", "hazard": "geology",
    "source": "避险手册", "voucher": "示范学会", "region": "511900",
}  # fmt: skip


def demo(site: Site) -> Any:
    """Load the demonstration resources."""
    (file,) = site.plugins.demo()
    return run(site, site.importers[file.importer], file.path, system())


def editor(site: Site, make_app: MakeApp) -> Browser:
    """The browser of an editor for 巴中市."""
    with site.writing() as unit:
        user = make_user(unit, "editor", level=0, roles=[("editor", "511900")])
    client = browse(make_app(site=site))
    client.log_in(user)
    return client


def test_resources_are_listed_by_hazard(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("emergency")
    report = demo(site)
    assert (report.created, report.failed) == (12, 0)
    client = browse(make_app(site=site))
    page = client.get("/emergency/?hazard=wildfire").get_data(as_text=True)
    assert "森林草原防火" in page
    assert "被埋压怎么自救" not in page
    found = client.get("/api/v1/emergency/resources?hazard=flood").get_json()
    assert {r["hazard"] for r in found["items"]} == {"flood"}
    assert client.get("/api/v1/emergency/resources?hazard=x").status_code == 422


def test_every_page_and_answer_says_that_it_is_no_warning_and_where_warnings_are(
    make_site: MakeSite, make_app: MakeApp
) -> None:
    site = make_site("emergency")
    demo(site)
    client = editor(site, make_app)
    found = client.get("/api/v1/emergency/resources").get_json()
    one = found["items"][0]
    for path in ("/emergency/", "/emergency/?hazard=flood", one["page"], "/emergency/new"):
        page = client.get(path).get_data(as_text=True)
        assert "科云不发布预警" in page and "12379" in page
        client.get("/?lang=en")
        english = client.get(path).get_data(as_text=True)
        assert "Keyun never issues warnings." in english and "12379" in english
        client.get("/?lang=zh")
    assert "12379" in found["notice"]
    assert "12379" in client.get(f"/api/v1/emergency/resources/{one['id']}").get_json()["notice"]


def test_an_editor_publishes_and_everybody_finds_it(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("emergency")
    place = editor(site, make_app).submit("/emergency/new", {**FORM, "publish": "1"}).location
    assert "向沟谷两侧的高处跑" in browse(make_app(site=site)).get(place).get_data(as_text=True)
    rebuild(site)
    with site.reading() as unit:
        assert [c.title for _, c in search(system(), unit, Query("泥石流")).items] == [FORM["title"]]


def test_without_a_voucher_it_is_refused_with_the_reason(make_site: MakeSite, make_app: MakeApp) -> None:
    answer = editor(make_site("emergency"), make_app).submit(
        "/emergency/new", {**FORM, "voucher": "", "publish": "1"}
    )
    assert answer.status_code == 422
    assert "请写明审定者" in answer.get_data(as_text=True)


def test_what_reads_like_a_warning_waits_for_a_reviewer(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("emergency")
    client = editor(site, make_app)
    place = client.submit("/emergency/new", {**FORM, "title": "今晚暴雨红色预警", "publish": "1"}).location
    assert "看起来像预警信息" in client.get(place).get_data(as_text=True)
    assert browse(make_app(site=site)).get(place).status_code == 404


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_text_about_warnings_is_no_warning(make_site: MakeSite) -> None:
    site = make_site("emergency")

    def held(body: str) -> bool:
        values = {"source": "书", "voucher": "学会"}
        return bool(site.plugins.screen(system(), Draft(RESOURCE, "标题", "", body, "511900", values)))

    assert held("市气象台发布暴雨橙色预警")
    assert held("现解除地质灾害预警")
    assert not held("以当地政府的预警和转移通知为准。")
    assert not held("听到警报声，马上去集合点。")


def test_the_demonstration_names_its_voucher_and_reads_like_no_warning(make_site: MakeSite) -> None:
    site = make_site("emergency")
    (file,) = site.plugins.demo()
    rows = [json.loads(line) for line in Path(file.path).read_text(encoding="utf-8").splitlines()]
    assert {r["voucher"] for r in rows} == {"演示数据"}
    assert {r["hazard"] for r in rows} == {h.code for h in HAZARDS}
    for row in rows:
        draft = Draft(RESOURCE, row["title"], row["summary"], row["body"], row["region"], row)
        assert site.plugins.screen(system(), draft) == []


def test_importing_the_same_file_twice_changes_nothing(make_site: MakeSite) -> None:
    site = make_site("emergency")
    demo(site)
    again = demo(site)
    assert (again.created, again.changed) == (0, 0)
    with site.reading() as unit:
        assert {r.version for r in unit.session.query(Resource)} == {1}


def test_the_migration_and_the_models_agree(make_site: MakeSite) -> None:
    site = make_site("emergency")
    Migrator(site.runtime.engine, Installation.scan().manifests).check("emergency")


def test_every_page_is_complete_in_english(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("emergency")
    client = editor(site, make_app)
    plain = {"title": "Title", "summary": "", "body": "Body", "source": "Book", "voucher": "Society"}
    client.get("/?lang=en")
    place = client.submit("/emergency/new", {**FORM, **plain, "publish": "1"}).location
    for path in ("/emergency/", place, f"{place}/edit", "/emergency/new"):
        main = client.get(path).get_data(as_text=True).partition("<main")[2].partition("</main")[0]
        text = re.sub(r"<optgroup.*?</optgroup>|<dd lang=\"zh-CN\">[^<]*</dd>", "", main, flags=re.S)
        assert re.findall(r"[\u4e00-\u9fff]+", re.sub(r"<[^>]+>", " ", text)) == []


def test_an_article_of_the_library_can_say_which_hazard_it_is_about(
    make_site: MakeSite, make_app: MakeApp
) -> None:
    site = make_site("popsci", "emergency")
    client = editor(site, make_app)
    article = {"title": "山洪科普", "body": "正文", "category": "safety", "source": "书", "voucher": "学会"}
    data = {**article, "region": "511900", "emergency.hazard": "flood", "publish": "1"}
    place = client.submit("/popsci/new", data).location
    assert "<dt>相关灾种</dt><dd>洪涝</dd>" in client.get(place).get_data(as_text=True)
    assert "山洪科普" in client.get("/popsci/?emergency.hazard=flood").get_data(as_text=True)
    assert "山洪科普" not in client.get("/popsci/?emergency.hazard=heat").get_data(as_text=True)
