"""Precise push in a real browser: from the builder to the digest, by keyboard, without a script."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.serving import make_server

from keyun.jobs import Worker
from keyun.site import Site
from keyun.testing import Clock, MakeApp, MakeSite, make_user
from keyun.testing.mail import MailServer, mail_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
PASSWORD = "correct horse battery"
PHONE: ViewportSize = {"width": 390, "height": 844}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
AXE = """async rules => (await axe.run(document, {runOnly: rules, rules: {"target-size": {enabled: true}}}))
    .violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary}`))"""
WIDE = """() => document.documentElement.scrollWidth > innerWidth
    ? [`${document.documentElement.scrollWidth} px on a screen of ${innerWidth} px`] : []"""
#: Chinese that an English page does not mark as Chinese.
UNMARKED = """() => {
    if (document.documentElement.lang !== "en") return [];
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.data, parent = walker.currentNode.parentElement;
        if (parent.closest("script, style, code, pre, textarea, [translate=no], [lang|=zh]")) continue;
        if (/[\\u3000-\\u9fff\\uff00-\\uffef]/.test(text)) found.push(text.trim());
    }
    return found;
}"""
HEADINGS = "() => document.querySelectorAll('h1').length === 1 ? [] : ['not one h1']"
#: Whether what has the focus can be seen: nothing lies over its middle.
SEEN = """() => {
    const e = document.activeElement, box = e.getBoundingClientRect();
    if (e === document.body) return true;
    const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return !!there && (e.contains(there) || there.contains(e));
}"""
FOCUSED = "s => !!document.activeElement && document.activeElement.matches(s)"


@dataclass
class World:
    """A served site with people, a clock that stands still, and a mail server beside it."""

    address: str
    site: Site
    clock: Clock
    mail: MailServer
    chromium: Browser
    stack: ExitStack

    def visit(self, login: str = "", language: str = "zh", **options: Any) -> Page:
        """A phone of somebody's, logged in through the form."""
        context: BrowserContext = self.chromium.new_context(
            **{"base_url": self.address, "viewport": PHONE, "reduced_motion": "reduce"} | options
        )
        self.stack.callback(context.close)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.goto(f"/?lang={language}")
        if login:
            page.goto("/login")
            page.fill("#login", login)
            page.fill("#password", PASSWORD)
            page.click("main form button")
        return page

    def work(self, **later: float) -> None:
        """Let time pass, and the worker do what is due."""
        self.clock.tick(dt.timedelta(**later))
        worker = Worker(self.site)
        worker.schedule()
        worker.drain()


@pytest.fixture
def world(chromium: Browser, make_site: MakeSite, make_app: MakeApp, clock: Clock) -> Iterator[World]:
    """Somebody who sends for a prefecture, a reader in it, a stranger elsewhere."""
    with ExitStack() as stack:
        mail = stack.enter_context(mail_server())
        served: dict[str, Any] = {}
        server = make_server("127.0.0.1", 0, lambda e, s: served["app"](e, s), threaded=True)
        address = f"http://127.0.0.1:{server.server_port}"
        site = make_site("notices", config={"mail": mail.config, "site": {"url": address, "demo": True}})
        people(site)
        served["app"] = make_app(site=site)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with ExitStack() as pages:
                yield World(address, site, clock, mail, chromium, pages)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def people(site: Site) -> None:
    """The same password for everybody who logs in."""
    with site.writing() as unit:
        make_user(unit, "sender", level=2, region="511400", password=PASSWORD, roles=[("staff", "511400")])
        make_user(unit, "head", level=2, region="510000", password=PASSWORD, roles=[("admin", "510000")])
        make_user(unit, "reader", level=3, password=PASSWORD, email="reader@example.org", mail_wanted=True)
        make_user(unit, "stranger", level=3, region="510104", password=PASSWORD)
        for n in range(25):
            make_user(unit, f"neighbour-{n}", level=n % 3)


@pytest.fixture(scope="module")
def axe() -> str:
    """The accessibility engine, from a package: no test asks another server."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def look(axe: str) -> Callable[[Page], None]:
    """``look(page)`` holds the page that is open against what every page promises."""

    def judge(page: Page) -> None:
        page.evaluate(axe)
        found = [*page.evaluate(AXE, RULES)]
        for rule in (WIDE, UNMARKED, HEADINGS):
            found += page.evaluate(rule)
        assert found == [], f"{page.url} ({page.title()}): {found}"

    return judge


def add(page: Page, attribute: str, group: int = 0) -> None:
    """Add a condition by clicking."""
    page.select_option(f"#g{group}-new", attribute)
    page.click(f"button[value='add:{group}']")


def go(page: Page, do: str) -> None:
    """Press the button ``do`` that people see."""
    page.click(f"button[value='{do}']:not([aria-hidden])")


def write(page: Page, title: str, topic: str = "awards") -> None:
    """Fill in the page of the message."""
    page.select_option("#topic", topic)
    page.fill("#title", title)
    page.fill("#body", "## 谁可以申报\n\n- 职业认证的科技工作者\n- 周五前报名")


def test_from_the_builder_to_the_digest(world: World, look: Callable[[Page], None]) -> None:
    reader = world.visit("reader")
    reader.goto("/notices/preferences")
    look(reader)
    reader.get_by_label("邮件", exact=True).check()
    reader.select_option("#frequency-awards", "daily")
    reader.get_by_role("button", name="保存").click()

    sender = world.visit("sender")
    sender.get_by_role("link", name="通知管理").click()
    look(sender)
    sender.get_by_role("link", name="发通知", exact=True).first.click()
    look(sender)
    assert "27" in sender.inner_text("#total"), "everybody in the prefecture: 25 neighbours, sender, reader"
    add(sender, "level")
    sender.get_by_label("职业认证").check()
    sender.locator("#total strong").filter(has_text=re.compile(r"^1$")).wait_for()
    look(sender)
    go(sender, "next")
    write(sender, "青年科技奖开始申报")
    go(sender, "preview")
    assert sender.locator(".notice-text h2").inner_text() == "谁可以申报"
    look(sender)
    go(sender, "next")
    assert "发布给 1 人" in sender.inner_text("main")
    look(sender)
    go(sender, "publish")
    look(sender)
    assert "已发布" in sender.inner_text("[role=status] >> nth=0")
    assert "认证等级为职业认证" in sender.inner_text("main")

    reader.goto("/notices/")
    look(reader)
    reader.get_by_role("link", name="青年科技奖开始申报").click()
    assert "认证等级为职业认证" in reader.inner_text("section[aria-labelledby=why]")
    look(reader)
    stranger = world.visit("stranger")
    stranger.goto("/notices/")
    assert "青年科技奖" not in stranger.inner_text("main")
    stranger.goto(reader.url)
    assert stranger.inner_text(".error-code") == "404", "nobody opens what was not for him"

    world.work(minutes=1)
    assert world.mail.received == [], "it waits for the digest"
    world.work(hours=20)
    (letter,) = world.mail.received
    text = letter.get_content()
    assert letter["To"] == "reader@example.org" and "青年科技奖开始申报" in text
    refusal = re.search(r"http://127\.0\.0\.1:\d+/notices/optout/\S+", text)
    assert refusal is not None
    anybody = world.visit()
    anybody.goto(refusal[0])
    look(anybody)
    anybody.get_by_role("button", name="退订").click()
    assert anybody.inner_text("h1") == "已退订"
    look(anybody)
    go_on_and_publish(sender, "第二条申报通知")
    world.work(hours=24)
    world.work(hours=24)
    assert len(world.mail.received) == 1, "no digest comes after the refusal"
    reader.goto("/notices/")
    assert "第二条申报通知" in reader.inner_text("main"), "the inbox keeps everything"


def go_on_and_publish(page: Page, title: str) -> None:
    """Send one more notice to everybody."""
    page.goto("/notices/compose")
    go(page, "next")
    write(page, title)
    go(page, "next")
    go(page, "publish")


@pytest.mark.parametrize(("language", "width"), [("zh", 390), ("zh", 1280), ("en", 390)])
def test_every_page_of_sending_is_sound(
    world: World, look: Callable[[Page], None], language: str, width: int
) -> None:
    page = world.visit("head", language, viewport={"width": width, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("console", lambda m: complaints.append(m.text) if "Failed to load" not in m.text else None)
    page.goto("/notices/sent")
    look(page)
    page.goto("/notices/compose")
    for attribute in page.eval_on_selector_all(
        "#g0-new option", "all => all.map(o => o.value).filter(v => v)"
    ):
        add(page, attribute)
    look(page)
    go(page, "next")
    assert page.locator(".clause.wrong").count() > 5, "nothing is filled in"
    look(page)
    while page.locator("button[value='drop:0:1']").count():
        go(page, "drop:0:1")
    page.locator("summary:has-text('眉山市')").nth(1).click()
    page.locator("#g0-c0-value-511402").check()
    go(page, "group")
    add(page, "birth-year", 1)
    page.fill("#g1-c0-from", "1981")
    page.check("#g1-not")
    go(page, "count")
    look(page)
    go(page, "json")
    look(page)
    page.fill("#json", "{")
    go(page, "count")
    look(page)
    page.fill("#json", '{"attribute": "region", "within": ["511402"], "on": "2020-01-01"}')
    go(page, "form")
    go(page, "next")
    look(page)
    page.check("#life")
    go(page, "next")
    look(page)
    write(page, "山洪来了")
    page.check("#life_sure")
    page.fill("#starts_at", "2027-03-02T09:00")
    page.set_input_files("#attachments", {"name": "路线.txt", "mimeType": "text/plain", "buffer": b"up"})
    go(page, "next")
    look(page)
    go(page, "publish")
    look(page)
    go_on_and_publish(page, "明天停水")
    page.get_by_role("link", name="发布更新" if language == "zh" else "Publish an update").click()
    look(page)
    page.go_back()
    page.locator("summary.btn").click()
    page.locator("form[action$=cancel] button").click()
    assert page.locator("#reason[aria-invalid=true]").count()
    look(page)
    page.fill("#reason", "不停了")
    page.locator("form[action$=cancel] button").click()
    look(page)
    page.goto("/notices/sent")
    look(page)
    assert complaints == []


def test_a_notice_is_sent_and_read_without_javascript(world: World) -> None:
    page = world.visit("sender", java_script_enabled=False)
    page.goto("/notices/compose")
    add(page, "level")
    page.get_by_label("手机认证").check()
    page.get_by_label("实名认证").check()
    go(page, "count")
    assert "17" in page.inner_text("#total"), "two thirds of the neighbours, and the sender"
    go(page, "group")
    add(page, "region", 1)
    page.locator("summary:has-text('眉山市')").nth(1).click()
    page.locator("#g1-c0-value-511402").check()
    page.check("#g1-not")
    go(page, "count")
    assert "1 人" in page.inner_text("#total")
    go(page, "drop:1")
    page.get_by_label("职业认证").check()
    go(page, "next")
    write(page, "不用脚本也能发")
    page.set_input_files("#attachments", {"name": "名单.txt", "mimeType": "text/plain", "buffer": b"a"})
    go(page, "preview")
    assert "名单.txt" in page.inner_text("main") and "周五前报名" in page.inner_text(".notice-text")
    go(page, "next")
    go(page, "publish")
    assert "不用脚本也能发" in page.inner_text("h1")
    reader = world.visit("reader", java_script_enabled=False)
    reader.goto("/notices/")
    reader.get_by_role("link", name="不用脚本也能发").click()
    assert "周五前报名" in reader.inner_text("article")


def test_a_notice_is_sent_by_keyboard_alone(world: World) -> None:
    page = world.visit("sender")
    page.goto("/notices/compose")
    tab_to(page, "#g0-new")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.input_value("#g0-new") == "level"
    tab_to(page, "button[value='add:0']")
    press(page, "Enter")
    assert page.evaluate(FOCUSED, "#g0-c0-value-1"), "the keyboard goes on where the condition was added"
    tab_to(page, "#g0-c0-value-4")
    page.keyboard.press("Space")
    # Enter in a field counts; it neither removes nor sends anything.
    press(page, "Enter")
    assert "1 人" in page.inner_text("#total") and page.is_checked("#g0-c0-value-4")
    tab_to(page, "button[value=next]")
    press(page, "Enter")
    tab_to(page, "#topic")
    page.keyboard.press("ArrowDown")
    for field, text in (("#title", "全用键盘"), ("#body", "正文。")):
        tab_to(page, field)
        page.keyboard.insert_text(text)
    tab_to(page, "button[value=next]")
    press(page, "Enter")
    tab_to(page, "button[value=publish]")
    press(page, "Enter")
    assert page.inner_text("h1") == "全用键盘"
    tab_to(page, "summary.btn")
    page.keyboard.press("Enter")
    tab_to(page, "#reason")
    page.keyboard.insert_text("试过了")
    tab_to(page, "form[action$=cancel] button")
    press(page, "Enter")
    assert "已解除" in page.inner_text("main")


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus stands there; on the way it is never hidden."""
    for _ in range(120):
        assert page.evaluate(SEEN), page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
        if page.evaluate(FOCUSED, selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {selector}")


def press(page: Page, key: str) -> None:
    """Press a key that leads to the next page."""
    with page.expect_navigation():
        page.keyboard.press(key)
