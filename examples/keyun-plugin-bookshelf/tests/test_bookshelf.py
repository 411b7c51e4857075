"""The plugin as people meet it: pages, API, import, export, and the contract of Keyun."""

from __future__ import annotations

from pathlib import Path

from keyun.access import anonymous, system
from keyun.accounts import actor_for
from keyun.content import create, publish
from keyun.exchange import run, write
from keyun.jobs import Worker
from keyun.site import Site
from keyun.testing import MakeApp, MakeSite, browse, make_user
from keyun.testing.contract import contract_tests
from keyun_bookshelf import services

PLACE = "511402"
FORM = {
    "title": "怎样看星星",
    "body": "找一个暗处。",
    "level": "easy",
    "category": "nature",
    "source": "天文台手册",
    "voucher": "示范学会",
    "region": PLACE,
}

test_contract = contract_tests("bookshelf")


def put(site: Site, **changes: str) -> str:
    """A published article; returns its public id."""
    with site.writing() as unit:
        item = create(system(), unit, services.article_type(), FORM | changes)
        publish(system(), unit, item)
    return item.public_id


def shown(site: Site, level: str | None = None) -> list[str]:
    with site.reading() as unit:
        return [a.title for a in services.articles(anonymous(), unit, level).items]


def test_a_visitor_reads_the_list_by_level_and_one_article(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("bookshelf")
    public_id = put(site)
    put(site, title="量子计算", level="hard")
    browser = browse(make_app(site=site))
    page = browser.get("/popsci/?level=easy").get_data(as_text=True)
    assert "怎样看星星" in page and "量子计算" not in page
    page = browser.get(f"/popsci/{public_id}").get_data(as_text=True)
    assert "入门" in page and "天文台手册" in page
    assert "Easy" in browser.get(f"/popsci/{public_id}?lang=en").get_data(as_text=True)


def test_an_editor_writes_and_changes_with_the_form(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("bookshelf")
    with site.writing() as unit:
        editor = make_user(unit, "editor", roles=[("editor", PLACE)])
    browser = browse(make_app(site=site))
    assert "/login" in browser.get("/popsci/new").location, "a visitor is sent to the log-in page"
    browser.log_in(editor)
    refused = browser.submit("/popsci/new", FORM | {"title": ""})
    assert refused.status_code == 422 and "天文台手册" in refused.get_data(as_text=True)
    assert browser.submit("/popsci/new", FORM | {"source": "", "publish": "1"}).status_code == 422
    done = browser.submit("/popsci/new", FORM | {"publish": "1"})
    assert done.status_code == 303 and shown(site, "easy") == ["怎样看星星"]
    browser.submit(f"{done.location}/edit", FORM | {"level": "hard"})
    assert shown(site, "easy") == [] and shown(site, "hard") == ["怎样看星星"]
    browser.submit(f"{done.location}/withdraw")
    assert shown(site) == []


def test_an_article_on_health_waits_for_a_reviewer(make_site: MakeSite) -> None:
    site = make_site("bookshelf")
    with site.writing() as unit:
        editor = actor_for(make_user(unit, "editor", roles=[("editor", PLACE)]))
        item = publish(
            editor, unit, create(editor, unit, services.article_type(), FORM | {"category": "health"})
        )
    assert item.state == "submitted" and shown(site) == []


def test_the_api_is_where_that_of_popsci_is(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("bookshelf")
    public_id = put(site)
    browser = browse(make_app(site=site))
    (item,) = browser.get("/api/v1/popsci/articles?level=easy").get_json()["items"]
    assert (item["id"], item["level"]) == (public_id, "easy")
    assert browser.get("/api/v1/popsci/articles?level=hard").get_json()["items"] == []
    assert browser.get(f"/api/v1/popsci/articles/{public_id}").get_json()["body"] == FORM["body"]


def test_an_export_is_imported_again(make_site: MakeSite, tmp_path: Path) -> None:
    site, other = make_site("bookshelf"), make_site("bookshelf")
    put(site, level="hard")
    path = tmp_path / "articles.csv"
    assert write(site, site.exporters["articles"], path, system()) == 1
    for created in (1, 0):
        report = run(other, other.importers["articles"], path, system())
        assert (report.created, report.failed) == (created, 0)
    assert shown(other, "hard") == ["怎样看星星"]


def test_a_file_made_for_popsci_is_imported(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("bookshelf")
    path = tmp_path / "articles.csv"
    path.write_text(
        "external_id,title,body,category,source,voucher,region\na-1,旧文件,正文,life,手册,学会,511402\n",
        encoding="utf-8",
    )
    assert run(site, site.importers["articles"], path, system()).created == 1
    assert shown(site, "medium") == ["旧文件"]


def test_an_article_is_found_by_the_search_of_the_site(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("bookshelf")
    put(site, title="柑橘种苗")
    Worker(site).drain()
    page = browse(make_app(site=site)).get("/search?q=柑橘种苗").get_data(as_text=True)
    assert "/popsci/" in page


def test_a_list_of_a_region_shows_what_concerns_it(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site("bookshelf")
    put(site)
    put(site, title="枇杷", region="511421")
    page = browse(make_app(site=site)).get("/popsci/?region=511421").get_data(as_text=True)
    assert "枇杷" in page and "怎样看星星" not in page
