"""The search page answers whatever is asked, and shows text as text."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask

from keyun.content import Content
from keyun.site import Site
from keyun.testing import make_organization
from keyun.testing.clients import Browser, browse

MakeApp = Callable[..., Flask]
Write = Callable[..., Content]
CatchUp = Callable[[Site], None]
#: Pages are the same over every database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def visitor(library: Site, make_app: MakeApp) -> Browser:
    return browse(make_app(site=library))


def page(visitor: Browser, **query: object) -> str:
    answer = visitor.get("/search", query_string=query)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_a_result_leads_to_its_item_and_marks_the_words(
    library: Site, visitor: Browser, write: Write, catch_up: CatchUp
) -> None:
    item = write(library, "柑橘黄龙病的识别", body="看叶片。")
    catch_up(library)
    text = page(visitor, q="黄龙病")
    assert f'href="/popsci/{item.public_id}"' in text or item.public_id in text
    assert "<mark>黄龙病</mark>" in text
    assert visitor.get(text.split('h6 mb-1"><a href="')[1].split('"')[0]).status_code == 200


def test_text_is_shown_as_text(library: Site, visitor: Browser, write: Write, catch_up: CatchUp) -> None:
    write(library, "<img src=x onerror=alert(1)> 柑橘", body="柑橘 <script>alert(2)</script> ' OR 1=1 --")
    catch_up(library)
    for q in ("柑橘", "<script>alert(3)</script>", "' OR 1=1 --", "img"):
        text = page(visitor, q=q)
        assert "<img src=x" not in text
        assert "<script>alert" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in page(visitor, q="柑橘")


def test_type_and_region_narrow_the_results(
    library: Site, visitor: Browser, write: Write, catch_up: CatchUp
) -> None:
    write(library, "丹棱柑橘", region="511424")
    write(library, "成都柑橘", region="510104")
    catch_up(library)
    assert "成都" not in page(visitor, q="柑橘", region="511400").split("<ol")[1]
    both = page(visitor, q="柑橘", region="510000", type="popsci.article")
    assert both.count("<li>\n    <h2") == 2
    assert '<option value="popsci.article" selected>' in both


@pytest.mark.parametrize("number", ["2", "9999999999999999999", "0", "-1", "x", "٣", "", "1e3", "1" * 5000])
def test_no_page_number_breaks_the_page(
    library: Site, visitor: Browser, write: Write, catch_up: CatchUp, number: str
) -> None:
    for n in range(21):
        write(library, f"柑橘第{n}篇")
    catch_up(library)
    text = page(visitor, q="柑橘", page=number)
    last = number.isascii() and number.isdigit() and number != "0"
    assert text.count("<mark>柑橘</mark>") == (1 if last else 20)
    assert ('rel="prev"' in text) == last
    assert ('rel="next"' in text) != last


@pytest.mark.parametrize("q", ["title:*", '"', "AND", "😀", "\x00", "的", "柑" * 10_000, "%", "a" * 3000])
def test_no_question_breaks_the_page(library: Site, visitor: Browser, catch_up: CatchUp, q: str) -> None:
    catch_up(library)
    assert visitor.get(f"/search?q={quote(q)}").status_code == (200 if q != "\x00" else 400)
    assert visitor.get("/search?q=%ff%fe&region=x&type=%00&page=%ff").status_code == 400
    assert visitor.get("/search?q=x&region=x&type=x&page=x").status_code == 200


def test_an_empty_question_shows_help_and_no_result_shows_what_to_try(
    library: Site, visitor: Browser, catch_up: CatchUp
) -> None:
    catch_up(library)
    assert "输入一两个关键词" in page(visitor)
    text = page(visitor, q="闻所未闻", region="511400", type="popsci.article")
    assert "少用几个词" in text
    assert "在全部地区中搜索" in text
    assert "在全部类型中搜索" in text


def test_words_that_do_not_stand_together_are_said_to_be_partial(
    library: Site, visitor: Browser, write: Write, catch_up: CatchUp
) -> None:
    write(library, "柑橘")
    write(library, "电池")
    catch_up(library)
    assert "没有内容同时包含所有的词" in page(visitor, q="柑橘 电池")


def test_while_there_is_no_index_the_page_says_so(
    library: Site, visitor: Browser, write: Write, catch_up: CatchUp
) -> None:
    write(library, "柑橘")
    assert "搜索索引正在重建" in page(visitor, q="柑橘")
    catch_up(library)
    assert "搜索索引正在重建" not in page(visitor, q="柑橘")
    shutil.rmtree(library.runtime.instance / "search")
    assert "搜索索引正在重建" in page(visitor, q="柑橘")


def test_the_page_works_without_any_plugin(client: Browser) -> None:
    assert client.get("/search?q=柑橘").status_code == 200


def test_what_the_plugin_of_its_type_cannot_show_is_left_out(
    library: Site, visitor: Browser, write: Write, catch_up: CatchUp
) -> None:
    shown, bare = write(library, "柑橘的识别"), write(library, "柑橘的故事")
    catch_up(library)
    with library.writing() as unit:
        unit.session.execute(sa.text("DELETE FROM popsci_article WHERE id = :id"), {"id": bare.id})
    assert visitor.get(f"/popsci/{bare.public_id}").status_code == 404
    text = page(visitor, q="柑橘")
    assert shown.public_id in text
    assert bare.public_id not in text


def test_the_organizations_of_results_cost_no_query_each(
    library: Site, visitor: Browser, write: Write, catch_up: CatchUp
) -> None:
    for number in range(3):
        item = write(library, f"柑橘{number}")
        with library.writing() as unit:
            organization = make_organization(unit, f"第{number}农场")
            unit.session.get_one(Content, item.id).organization_id = organization.id
    catch_up(library)
    asked: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    sa.event.listen(library.runtime.engine, "before_cursor_execute", listen)
    answer = visitor.get("/api/v1/search?q=柑橘").get_json()
    sa.event.remove(library.runtime.engine, "before_cursor_execute", listen)
    assert {i["item"]["organization"] for i in answer["items"]} == {f"第{n}农场" for n in range(3)}
    assert sum("core_organization" in statement for statement in asked) == 1
