"""The pages of the marketplace, as a browser without JavaScript sees them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from keyun.testing import Browser, browse

Market = Any
MakeApp = Callable[..., Flask]
NEED = "我们合作社的柑橘园发现叶片黄化斑驳，怀疑是黄龙病，想请专家来诊断并制定木虱防控方案"
SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def visit(full_market: Market, make_app: MakeApp) -> Callable[..., Browser]:
    app = make_app(site=full_market.site)

    def open_browser(login: str | None = None) -> Browser:
        browser = browse(app)
        if login:
            from keyun.accounts.services import find_user

            with full_market.site.reading() as unit:
                browser.log_in(find_user(unit, login))
        return browser

    return open_browser


def post_need(browser: Browser, text: str = NEED) -> str:
    answer = browser.submit("/marketplace/needs/new", {"text": text, "region": "511424"})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def test_a_posted_need_shows_its_matches_and_reasons_at_once(visit: Callable[..., Browser]) -> None:
    browser = visit("asker")
    page = browser.get(post_need(browser)).text
    assert "柑橘黄龙病 PCR 检测" in page
    assert "都提到「黄龙病」" in re.sub(r"</?span[^>]*>", "", page)
    assert "同市州" in page
    assert "高级农艺师" in page
    assert "王不露名" not in page


def test_an_english_page_tells_the_reasons_in_english(visit: Callable[..., Browser]) -> None:
    browser = visit("asker")
    page = browser.get(post_need(browser) + "?lang=en").text
    assert "looks like the same field: Plant protection" in page
    assert "same city" in page and "Why it fits" in page


def test_the_reasons_on_the_page_add_up_to_the_score(visit: Callable[..., Browser]) -> None:
    browser = visit("asker")
    page = browser.get(post_need(browser)).text
    tables = re.findall(r"<tbody>(.*?)</tbody>\s*<tfoot>(.*?)</tfoot>", page, re.DOTALL)
    assert tables
    for rows, foot in tables:
        values = [float(v) for v in re.findall(r">(\d+\.\d+)<", rows)]
        (total,) = (float(v) for v in re.findall(r">(\d+\.\d+)<", foot))
        assert sum(values) == pytest.approx(total, abs=0.01 * len(values))


def test_a_visitor_may_try_the_matching_but_is_asked_to_log_in_to_post(visit: Callable[..., Browser]) -> None:
    browser = visit()
    assert "柑橘黄龙病 PCR 检测" in browser.get(f"/marketplace/match?text={NEED}").text
    answer = browser.get("/marketplace/needs/new?text=柑橘")
    assert answer.status_code == 303
    assert "/login?next=" in answer.location


def test_asking_and_answering_works_through_the_inbox(visit: Callable[..., Browser]) -> None:
    asker, helper = visit("asker"), visit("helper")
    place = post_need(asker)
    target = re.search(
        r'name="kind" value="person"><input type="hidden" name="target" value="([^"]+)"',
        asker.get(place).text,
    )
    assert target
    body = {"kind": "person", "target": target[1], "message": "请来看看"}
    assert asker.submit(f"{place}/ask", body).status_code == 303
    inbox = helper.get("/marketplace/inbox").text
    assert "请来看看" in inbox
    action = re.search(r'action="(/marketplace/inbox/[^"]+)"', inbox)
    assert action
    assert helper.submit(action[1], {"accept": "true", "reply": "好"}).status_code == 303
    assert "王不露名" in asker.get("/marketplace/inbox").text


def test_script_in_every_field_is_shown_as_text(visit: Callable[..., Browser]) -> None:
    browser = visit("expert")
    fields = {n: SCRIPT for n in ("title", "summary", "body", "terms")}
    form = fields | {"keywords": "<b>x</b>", "discipline": "<i>y</i>", "region": "511402", "publish": "1"}
    answer = browser.submit("/marketplace/offers/new", form)
    assert answer.status_code == 303, answer.text
    for path in (
        answer.location,
        "/marketplace/offers",
        "/marketplace/",
        f"/marketplace/match?text={html.escape('alert')}",
    ):
        page = browser.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b>x</b>" not in page and "<i>y</i>" not in page


def test_a_refused_form_keeps_what_was_typed_and_says_why(visit: Callable[..., Browser]) -> None:
    browser = visit("asker")
    answer = browser.submit("/marketplace/needs/new", {"text": NEED, "region": ""})
    assert answer.status_code == 422
    assert NEED in answer.text and "请选择地区" in answer.text
    answer = browser.submit("/marketplace/needs/new", {"text": "长" * 3000, "region": "511402"})
    assert answer.status_code == 422 and "2000" in answer.text


def test_an_edit_over_somebody_elses_edit_is_refused(visit: Callable[..., Browser]) -> None:
    browser = visit("asker")
    place = post_need(browser)
    form = {"title": "柑橘黄化", "body": NEED, "region": "511424", "keywords": "黄龙病", "version": "1"}
    first = browser.get(f"{place}/edit").text
    version = re.search(r'name="version" value="(\d+)"', first)
    assert version
    form["version"] = version[1]
    assert browser.submit(f"{place}/edit", form).status_code == 303
    answer = browser.submit(f"{place}/edit", form | {"title": "柑橘叶子发黄"})
    assert answer.status_code == 409
    assert 'value="柑橘叶子发黄"' in answer.text
    assert "内容已被他人修改" in answer.text


@pytest.mark.parametrize("version", ["²", "9" * 5000, "x", ""])
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_edit_with_an_odd_version_is_no_fault(visit: Callable[..., Browser], version: str) -> None:
    browser = visit("asker")
    form = {"title": "柑橘黄化", "body": NEED, "region": "511424", "version": version}
    assert browser.submit(f"{post_need(browser)}/edit", form).status_code == 303


@pytest.mark.parametrize("page", ["0", "-1", "99999999999999999999", "x", "9999"])
def test_odd_page_numbers_are_answered(visit: Callable[..., Browser], page: str) -> None:
    assert visit().get(f"/marketplace/offers?page={page}").status_code == 200


def test_lists_are_narrowed_by_field_region_and_words(
    visit: Callable[..., Browser], full_market: Market
) -> None:
    from keyun.jobs import Worker

    worker = Worker(full_market.site)
    worker.schedule()
    worker.drain()
    browser = visit()
    for narrowed in ("discipline=冶金与钒钛", "q=钒钛"):
        page = browser.get(f"/marketplace/offers?{narrowed}").text
        assert "钒钛合金真空熔炼" in page and "柑橘木虱" not in page
    assert "钒钛合金" not in browser.get("/marketplace/offers?region=510100").text


def test_other_peoples_drafts_do_not_exist(visit: Callable[..., Browser]) -> None:
    form = {"title": "未完成的成果", "body": "还在写", "region": "511402"}
    draft = visit("expert").submit("/marketplace/offers/new", form).location
    assert visit("expert").get(draft).status_code == 200
    for other in (None, "asker"):
        assert visit(other).get(draft).status_code == 404


def test_a_withdrawn_need_is_gone_for_the_public_and_kept_for_its_owner(
    visit: Callable[..., Browser],
) -> None:
    browser = visit("asker")
    place = post_need(browser)
    assert browser.submit(f"{place}/withdraw", {}).status_code == 303
    assert visit().get(place).status_code == 404
    assert "已撤回" in browser.get(place).text


def test_programs_post_and_match_through_the_api(full_market: Market, make_app: MakeApp) -> None:
    from keyun.access import system
    from keyun.accounts import create_token
    from keyun.accounts.services import find_user

    with full_market.site.writing() as unit:
        key = create_token(system(), unit, find_user(unit, "asker"), "test")
    client: Any = make_app(site=full_market.site).test_client()
    headers = {"Authorization": f"Bearer {key}"}
    body = {"text": NEED, "region": "511424"}
    made = client.post("/api/v1/marketplace/needs", json=body, headers=headers)
    assert made.status_code == 201, made.text
    found = client.get(f"/api/v1/marketplace/needs/{made.json['id']}/matches").json
    assert found["matches"][0]["title"] == "柑橘黄龙病 PCR 检测"
    assert sum(p["value"] for p in found["matches"][0]["parts"]) == pytest.approx(
        found["matches"][0]["score"], abs=1e-3
    )
    assert "王不露名" not in client.get(f"/api/v1/marketplace/needs/{made.json['id']}/matches").text
    assert client.post("/api/v1/marketplace/needs", json=body).status_code in (401, 403, 400)
    assert client.post("/api/v1/marketplace/match", json={"text": NEED, "top": 1}).json["matches"]


def test_half_a_surrogate_pair_is_left_out_and_not_a_fault(full_market: Market, make_app: MakeApp) -> None:
    from keyun.access import system
    from keyun.accounts import create_token
    from keyun.accounts.services import find_user

    with full_market.site.writing() as unit:
        key = create_token(system(), unit, find_user(unit, "asker"), "test")
    client: Any = make_app(site=full_market.site).test_client()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = r'{"text": "\ud800柑橘\u0000黄化", "region": "511424"}'
    made = client.post("/api/v1/marketplace/needs", data=body.encode(), headers=headers)
    assert made.status_code == 201, made.text
    assert made.json["body"] == "柑橘黄化"
