"""The pages in a real browser: a keyboard, large text, paper, a slow eye for motion, and no JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from keyun.accounts import User, actor_for

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from tests.browser.conftest import Served

pytestmark = pytest.mark.browser
Visit = Callable[..., "BrowserContext"]
NEED = "合作社的柑橘园发现叶片黄化斑驳，怀疑是黄龙病，想请专家来诊断并制定木虱防控方案"
SCRIPTLESS = (
    "/search?q=柑橘", "/marketplace/", f"/marketplace/match?text={NEED}", "/popsci/", "/emergency/",
    "/notices/feed",
)  # fmt: skip
KEYBOARD = ("/", "/search?q=柑橘", "/marketplace/offers", "/marketplace/needs/{need}", "/popsci/", "/login",
            "/account", "/marketplace/needs/new", "/review", "/popsci/new", "/notices/", "/notices/feed",
            "/notices/profile")  # fmt: skip
#: What a keyboard must reach, in the order of the page; what is folded away is reached when it is open.
TABBABLE = """() => [...document.querySelectorAll(
        "a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter(e => e.tabIndex >= 0 && !e.disabled && e.type !== "hidden" && e.checkVisibility())
    .map((e, i) => (e.dataset.stop = i, i)).length"""
FOCUSED = """() => {
    const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
    return {stop: Number(e.dataset.stop ?? -1), html: e.outerHTML.slice(0, 120),
        seen: (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2) || s.boxShadow !== "none",
        there: box.width > 0 && box.bottom > 0 && box.top < innerHeight
            && box.right > 0 && box.left < innerWidth};
}"""
SIZE = "parseFloat(getComputedStyle(document.querySelector('main p, main li, main label')).fontSize)"
WIDE = "document.documentElement.scrollWidth > window.innerWidth"


def test_a_need_is_posted_and_its_matches_are_explained_without_javascript(visit: Visit) -> None:
    page = visit("asker", java_script_enabled=False).new_page()
    page.goto("/marketplace/needs/new")
    page.get_by_label("遇到什么问题").fill(NEED)
    page.get_by_label("地区").select_option("511424")
    page.get_by_role("button", name="发布并查看匹配").click()
    assert "/marketplace/needs/" in page.url and not page.url.endswith("/new")
    offer = page.locator("section[aria-labelledby=matches] li.match").first
    assert offer.locator(".why-term").all_inner_texts()
    offer.locator("summary").filter(has_text="如何得来").click()
    assert offer.get_by_text("都提到「黄龙病」").is_visible()
    person = page.locator("section[aria-labelledby=people] li").first
    assert person.locator(".why-term").all_inner_texts()
    assert "helper" not in page.locator("main").inner_text()


def test_a_newcomer_registers_writes_corrects_and_is_reviewed_without_javascript(
    visit: Visit, served: Served
) -> None:
    page = visit(java_script_enabled=False).new_page()
    page.goto("/register")
    for label, text in (("用户名", "newcomer"), ("姓名", "新来的"), ("密码", "a long enough word")):
        page.get_by_label(label).first.fill(text)
    page.get_by_label("地区").select_option("511402")
    page.locator("main form button").click()
    assert "注册成功" in page.locator("main").inner_text()
    verify(served, "newcomer", editor=True)
    page.goto("/popsci/new")
    for label, text in (
        ("标题", "春笋怎么保存"),
        ("正文", "带壳冷藏。"),
        ("来源", "演示书"),
        ("审定者", "演示学会"),
    ):
        page.get_by_label(label).first.fill(text)
    page.get_by_label("地区").select_option("511402")
    page.get_by_role("button", name="保存并发布").click()
    assert "已提交审核" in page.get_by_role("status").first.inner_text()
    page.get_by_role("link", name="修改").click()
    page.get_by_label("标题").fill("春笋怎样保存")
    page.locator("main form button").first.click()
    assert page.locator("h1").inner_text() == "春笋怎样保存"
    reviewer = visit("editor", java_script_enabled=False).new_page()
    reviewer.goto("/review")
    waiting = reviewer.locator("li.sheet").filter(has_text="春笋怎样保存")
    waiting.get_by_role("link", name="春笋怎样保存").click()
    assert reviewer.get_by_text("带壳冷藏").is_visible()
    reviewer.get_by_role("button", name="认领").click()
    reviewer.get_by_role("button", name="同意公开").click()
    assert "已通过并公开" in reviewer.get_by_role("status").inner_text()
    page.goto("/popsci/")
    page.get_by_role("link", name="春笋怎样保存").click()
    assert page.get_by_text("带壳冷藏").is_visible()


def verify(served: Served, login: str, *, editor: bool) -> None:
    """What the service centre does for a new user."""
    import sqlalchemy as sa

    from keyun.access import system
    from keyun.accounts import grant_role, verify_user

    with served.site.writing() as unit:
        user = unit.session.scalars(sa.select(User).where(User.login == login)).one()
        verify_user(system(), unit, user, 2)
        if editor:
            grant_role(system(), unit, user, "editor", "510000")
        assert actor_for(user).level == 2


def test_lists_matches_and_records_say_the_same_without_javascript(visit: Visit, served: Served) -> None:
    with_it, without = visit().new_page(), visit(java_script_enabled=False).new_page()
    for path in (*SCRIPTLESS, *served.pages):
        with_it.goto(path)
        without.goto(path)
        assert without.locator("main").inner_text() == with_it.locator("main").inner_text(), path


@pytest.mark.parametrize(("language", "words"), [("zh", "跳到正文"), ("en", "Skip to content")])
def test_the_first_tab_reaches_the_skip_link_and_it_leads_to_the_content(
    visit: Visit, served: Served, language: str, words: str
) -> None:
    page = visit().new_page()
    page.goto(f"/?lang={language}")
    for path in ("/", "/login", "/marketplace/", served.pages[0]):
        page.goto(path)
        page.keyboard.press("Tab")
        link = page.locator("a.skip:focus")
        assert link.inner_text() == words, path
        box = link.bounding_box()
        assert box is not None and box["y"] >= 0, f"{path}: the skip link is not on the screen"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main", path


@pytest.mark.parametrize("width", [390, 1280])
def test_the_tab_key_reaches_everything_in_order_and_shows_where_it_is(
    visit: Visit, served: Served, width: int
) -> None:
    # Bootstrap scrolls smoothly; what is on its way would be judged before it has arrived.
    options = {"viewport": {"width": width, "height": 800}, "reduced_motion": "reduce"}
    page = visit("editor", **options).new_page()
    wrong: list[str] = []
    for path in KEYBOARD:
        page.goto(path.format(**served.records))
        wrong += [f"{page.url}: {w}" for w in tab_through(page)]
    assert not wrong, "\n".join(wrong)


def tab_through(page: Page) -> list[str]:
    """Press Tab as often as there are places to stop, plus once to leave; returns what was wrong."""
    count = page.evaluate(TABBABLE)
    assert count > 5
    wrong = []
    for expected in range(count):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at["stop"] != expected:
            wrong.append(f"stop {expected} is {at['html']}")
            break
        if not at["seen"]:
            wrong.append(f"focus does not show: {at['html']}")
        if not at["there"]:
            wrong.append(f"focus is out of sight: {at['html']}")
    page.keyboard.press("Shift+Tab")
    if not wrong and page.evaluate(FOCUSED)["stop"] != count - 2:
        wrong.append("the keyboard does not go back")
    return wrong


def test_what_is_folded_opens_by_the_keyboard(visit: Visit, served: Served) -> None:
    page = visit("asker").new_page()
    page.goto(f"/marketplace/needs/{served.records['need']}")
    folded = page.locator("li.match details").first
    folded.locator("summary").focus()
    for key, open_ in (("Enter", True), ("Space", False)):
        page.keyboard.press(key)
        assert folded.evaluate("e => e.open") is open_


def test_large_text_is_chosen_once_and_holds_everywhere(visit: Visit, served: Served) -> None:
    page = visit(java_script_enabled=True).new_page()
    path = served.pages[2]
    page.goto(path)
    before = page.evaluate(SIZE)
    with page.expect_navigation():
        page.get_by_role("link", name="大字").click()
    assert page.url.endswith(path), "the reader stays on the page"
    assert page.evaluate(SIZE) >= 1.25 * before
    for other in ("/", "/search?q=柑橘", "/marketplace/offers", "/login", "/nowhere"):
        page.goto(other)
        assert page.locator("html.large").count() == 1, other
        for width in (320, 390, 640):
            page.set_viewport_size({"width": width, "height": 800})
            assert not page.evaluate(WIDE), f"{other} at {width} px"
    page.goto(path)
    with page.expect_navigation():
        page.get_by_role("link", name="标准字").click()
    assert page.evaluate(SIZE) == before


def test_large_text_needs_no_javascript_and_leads_only_to_this_site(visit: Visit) -> None:
    page = visit(java_script_enabled=False).new_page()
    page.goto("/appearance?size=large&next=https://example.org/")
    assert page.url.endswith("/") and "example" not in page.url
    assert page.locator("html.large").count() == 1
    page.goto("/appearance?size=huge&next=/popsci/")
    assert page.url.endswith("/popsci/")
    assert page.locator("html.large").count() == 1


def test_nothing_moves_for_those_who_asked_for_that(visit: Visit) -> None:
    page = visit(reduced_motion="reduce").new_page()
    for path in ("/", "/search", "/marketplace/offers", "/login"):
        page.goto(path)
        moving = page.evaluate(
            """() => [...document.querySelectorAll("*")].filter(e => {
                const s = getComputedStyle(e);
                return parseFloat(s.transitionDuration) > 0 || parseFloat(s.animationDuration) > 0;
            }).map(e => e.outerHTML.slice(0, 80))"""
        )
        assert moving == [], path


def test_a_record_prints_on_paper_with_its_source_and_where_its_links_lead(
    visit: Visit, served: Served
) -> None:
    page = visit("editor").new_page()
    page.goto(f"/popsci/{served.records['waiting']}")
    page.emulate_media(media="print")
    paper = page.locator("body").inner_text()
    for text in ("血压怎么量才准", "坐定五分钟", "演示书", "演示学会", "演示省科学技术协会", page.url):
        assert text in paper, text
    for text in ("跳到正文", "登录", "开放接口", "修改", "审核"):
        assert text not in paper.splitlines(), text
    after = page.locator(".prose a").evaluate("e => getComputedStyle(e, '::after').content")
    assert "https://example.org/" in after
    assert pages_of(page.pdf(prefer_css_page_size=True)) == (1, "A4")


def pages_of(pdf: bytes) -> tuple[int, str]:
    """How many sheets a PDF of Chromium has, and of what size."""
    boxes = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", pdf)
    sizes = {(round(float(width)), round(float(height))) for width, height in boxes}
    return len(re.findall(rb"/Type /Page\b", pdf)), "A4" if sizes <= {(595, 842), (594, 841)} else str(sizes)
