"""The green mark at every door of the marketplace. Only Keyun's public test kit is used."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from keyun.cli import cli
from keyun.site import Site
from keyun.testing import Browser, browse, make_user

MakeSite = Callable[..., Site]
MakeApp = Callable[..., Flask]
FORM = {"title": "柑橘木虱绿色防控", "body": "果园木虱监测与防控", "region": "511402"}
SENTENCE = "柑橘园木虱防控"


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site("marketplace", "greenmark")


def expert(site: Site, make_app: MakeApp) -> Browser:
    """The browser of somebody who may publish offers."""
    with site.writing() as unit:
        user = make_user(unit, "expert", level=2)
    client = browse(make_app(site=site))
    client.log_in(user)
    return client


def keyun(site: Site, *arguments: str) -> Result:
    answer = CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), *arguments])
    assert answer.exit_code == 0, answer.output
    return answer


def offers(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path


def test_a_level_is_chosen_in_the_form_and_read_on_the_page_in_both_languages(
    site: Site, make_app: MakeApp
) -> None:
    client = expert(site, make_app)
    form = client.get("/marketplace/offers/new").get_data(as_text=True)
    assert '<option value="none" selected>未认证</option>' in form
    answer = client.submit("/marketplace/offers/new", {**FORM, "greenmark.level": "two", "publish": "1"})
    assert answer.status_code == 303
    assert "<dt>绿色认证等级</dt><dd>二星</dd>" in client.get(answer.location).get_data(as_text=True)
    english = client.get(f"{answer.location}?lang=en").get_data(as_text=True)
    assert "<dt>Green certification</dt><dd>two stars</dd>" in english


def test_a_level_that_does_not_exist_is_told_at_the_field(site: Site, make_app: MakeApp) -> None:
    refused = expert(site, make_app).submit("/marketplace/offers/new", {**FORM, "greenmark.level": "nine"})
    assert refused.status_code == 422
    assert 'id="greenmark.level-error"' in refused.get_data(as_text=True)


def test_lists_and_the_api_show_levels_and_are_narrowed_down_by_them(
    site: Site, make_app: MakeApp, tmp_path: Path
) -> None:
    path = offers(
        tmp_path / "offers.jsonl",
        {**FORM, "external_id": "a", "title": "三星服务", "greenmark.level": "three"},
        {**FORM, "external_id": "b", "title": "没有证书的服务"},
    )
    keyun(site, "import", "offers", str(path))
    client = browse(make_app(site=site))
    page = client.get("/marketplace/offers?greenmark.level=three").get_data(as_text=True)
    assert "三星服务" in page and "绿色认证等级：三星" in page and "没有证书的服务" not in page
    (item,) = client.get("/api/v1/marketplace/offers?greenmark.level=none").get_json()["items"]
    assert (item["title"], item["extensions"]) == ("没有证书的服务", {"greenmark.level": "none"})
    described = client.get("/api/v1/openapi.json").get_json()["components"]["schemas"]["Extensions"]
    assert described["properties"]["greenmark.level"]["enum"] == ["none", "one", "two", "three"]


def test_a_file_brings_levels_and_an_export_takes_them_along(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "offers.csv"
    path.write_text(
        "外部编号,标题,详细说明,地区,绿色认证等级\na,木虱防控,防控,511402,two\n", encoding="utf-8"
    )
    keyun(site, "import", "offers", str(path))
    out = tmp_path / "out.csv"
    keyun(site, "export", "offers", str(out))
    with out.open(encoding="utf-8-sig", newline="") as f:
        assert [r["greenmark.level"] for r in csv.DictReader(f)] == ["two"]
    assert "1 read, 0 created, 0 changed" in keyun(site, "import", "offers", str(out)).output.replace(
        " rows", ""
    )


def test_a_level_lifts_an_offer_and_the_reasons_say_so(site: Site, make_app: MakeApp, tmp_path: Path) -> None:
    path = offers(
        tmp_path / "offers.jsonl",
        {**FORM, "external_id": "a"},
        {**FORM, "external_id": "b", "greenmark.level": "three"},
    )
    keyun(site, "import", "offers", str(path))
    answer = keyun(site, "marketplace", "match", "--text", SENTENCE, "--json")
    first, second = json.loads(answer.stdout)["matches"]
    assert "绿色认证等级：三星" in [p["why"] for p in first["parts"]]
    assert not [p for p in second["parts"] if p["name"] == "added"]
    assert first["score"] > second["score"]
    for match in (first, second):
        assert sum(p["value"] for p in match["parts"]) == pytest.approx(match["score"], abs=1e-3)
    page = browse(make_app(site=site)).get(f"/marketplace/match?text={SENTENCE}").get_data(as_text=True)
    assert "绿色认证等级：三星" in page


def test_with_weight_zero_matching_is_left_alone(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("marketplace", "greenmark", config={"plugin": {"greenmark": {"weight": 0.0}}})
    path = offers(tmp_path / "offers.jsonl", {**FORM, "external_id": "a", "greenmark.level": "three"})
    keyun(site, "import", "offers", str(path))
    assert "绿色认证等级" not in keyun(site, "marketplace", "match", "--text", SENTENCE).output


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_page_about_levels_is_complete_in_english_and_leads_to_offers(
    site: Site, make_app: MakeApp
) -> None:
    client = browse(make_app(site=site))
    page = client.get("/greenmark/").get_data(as_text=True)
    assert 'href="/marketplace/offers?greenmark.level=three"' in page
    english = client.get("/greenmark/?lang=en").get_data(as_text=True)
    assert "three stars" in english and "不对应任何真实的认证制度" not in english
