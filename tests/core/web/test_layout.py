"""What stands around every page: who runs it, its filing numbers, what machines read; and error pages."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask, abort

from keyun.errors import DatabaseError
from keyun.testing import browse, make_user
from keyun.web.i18n import one_language

MakeApp = Callable[..., Flask]
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
LONG = "长 " * 5000 + "(" + "a " * 5000
SITE = {
    "operator": "演示省科协", "contact": "028-00000000", "icp": "蜀ICP备00000000号-1",
    "police": "川公网安备 51010702000000号",
}  # fmt: skip


def test_the_footer_names_who_runs_the_site_and_links_its_filing_numbers(make_app: MakeApp) -> None:
    text = browse(make_app(config={"site": SITE})).get("/").text
    assert all(value in text for value in SITE.values())
    assert '<a href="https://beian.miit.gov.cn/"' in text
    assert '<a href="https://beian.mps.gov.cn/#/query/webSearch?code=51010702000000"' in text


def test_a_site_that_says_nothing_about_itself_shows_no_empty_places(make_app: MakeApp) -> None:
    text = browse(make_app()).get("/").text
    assert "beian" not in text
    assert "主办单位" not in text
    assert "联系方式" not in text


def test_a_page_has_one_address_whatever_its_language_and_its_place_in_a_list(make_app: MakeApp) -> None:
    client = browse(make_app())
    for asked in ("/search?q=柑橘", "/search?q=柑橘&lang=en", "/search?q=柑橘&page=2"):
        found = re.search(r'<link rel="canonical" href="([^"]+)"', client.get(asked).text)
        assert found is not None
        assert found[1] == "http://localhost/search?q=%E6%9F%91%E6%A9%98"
    assert 'name="robots" content="noindex"' in client.get("/nowhere").text


@pytest.mark.parametrize(
    ("status", "happened", "next_step"),
    [
        (403, "没有权限", "联系当地服务中心"),
        (404, "没有找到", "搜索标题里的词"),
        (413, "提交的内容太大", "缩短文字"),
        (429, "操作太频繁", "等一分钟"),
        (500, "系统出错了", "请求编号"),
        (503, "系统正忙", "刷新这个页面"),
    ],
)
def test_an_error_page_says_what_happened_and_what_to_do(
    make_app: MakeApp, status: int, happened: str, next_step: str
) -> None:
    app = make_app(config={"site": SITE})

    def broken() -> str:
        if status == 500:
            raise RuntimeError("rosebud")
        if status == 503:
            raise DatabaseError("rosebud")
        abort(status)

    app.add_url_rule("/broken", "broken", broken)
    client = browse(app)
    answer = client.get("/broken")
    assert answer.status_code == status
    assert f'<h1 class="h3">{happened}</h1>' in answer.text
    assert next_step in answer.text
    assert SITE["contact"] in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    assert 'href="/"' in answer.text
    assert ('role="search"' in answer.text) is (status < 500)
    assert "rosebud" not in answer.text
    english = client.get("/broken?lang=en").text
    assert '<html lang="en"' in english
    assert happened not in english


def test_an_error_page_comes_even_when_its_template_is_broken(make_app: MakeApp) -> None:
    app = make_app()
    template = app.extensions["keyun"].runtime.instance / "templates" / "keyun" / "error.html"
    template.parent.mkdir(parents=True)
    template.write_text("{{ nothing.at.all }}", encoding="utf-8")
    answer = browse(app).get("/nowhere?lang=en")
    assert answer.status_code == 404
    assert '<html lang="en">' in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_the_size_of_the_text_is_remembered_and_leads_back(make_app: MakeApp) -> None:
    client = browse(make_app())
    answer = client.get("/appearance?size=large&next=/search?q=a")
    assert (answer.status_code, answer.location) == (303, "/search?q=a")
    assert 'class="large"' in client.get("/search").text
    assert client.get("/appearance?size=standard&next=//example.org").location == "/"
    assert 'class="large"' not in client.get("/search").text
    assert "Set-Cookie" not in client.get("/appearance?size=huge").headers


def test_somebody_without_a_permission_reads_which_one_in_his_language(make_app: MakeApp) -> None:
    app = make_app()
    client = browse(app)
    with app.extensions["keyun"].writing() as unit:
        client.log_in(make_user(unit))
    assert "没有权限：「审核内容」。" in client.get("/review").text
    assert "You may not do this" in client.get("/review?lang=en").text


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ("请改。 (Change it.)", "请改。", "Change it."),
        ("请改。 (Change it.) 再看。 (Look again.)", "请改。 再看。", "Change it. Look again."),
        ("见附件(PDF)", "见附件(PDF)", "见附件(PDF)"),
        ("只有中文", "只有中文", "只有中文"),
        # Words of people that look like the beginning of a sentence in two languages; it takes no time.
        (LONG, LONG, LONG),
    ],
    ids=["one", "two", "no sentence", "one language", "long"],
)
def test_a_text_in_both_languages_is_shown_in_one(make_app: MakeApp, text: str, zh: str, en: str) -> None:
    app = make_app()
    for language, shown in (("zh", zh), ("en", en)):
        with app.test_request_context(f"/?lang={language}"):
            assert one_language(text) == shown
