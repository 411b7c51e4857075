"""The pages in a real browser: a phone, a keyboard, a screen reader's view, both languages, no JavaScript."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.serving import make_server

from keyun.access import Actor, system
from keyun.accounts import actor_for
from keyun.content import create
from keyun.exchange import run
from keyun.site import Site
from keyun.testing import browse, make_organization, make_user

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize

pytestmark = pytest.mark.browser
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
PLUGINS = ("marketplace", "popsci", "emergency", "bayu_bridge")
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
PHONE: ViewportSize = {"width": 390, "height": 844}
LANGUAGES = {"zh": "zh-CN", "en": "en"}
PASSWORD = "correct horse battery"
NEED = "我们合作社的柑橘园发现叶片黄化斑驳，怀疑是黄龙病，想请专家来诊断并制定木虱防控方案"
OFFER = {
    "title": "柑橘黄龙病 PCR 检测", "summary": "三天出报告", "body": "采叶片做黄龙病检测，三天出报告。",
    "keywords": "黄龙病，检测，柑橘", "discipline": "植物保护", "region": "511402",
}  # fmt: skip
PROFILE = {
    "title": "高级农艺师", "keywords": "柑橘，黄龙病诊断", "summary": "到果园诊断黄龙病", "findable": "true",
}  # fmt: skip
MISSING = "/nowhere"
PUBLIC = ("/", "/login", "/register", "/search?q=柑橘", "/marketplace/", "/marketplace/offers",
          "/marketplace/needs", f"/marketplace/match?text={NEED}", "/popsci/", "/emergency/",
          "/bayu_bridge/", "/api/v1/docs", MISSING)  # fmt: skip
SCRIPTLESS = ("/search?q=柑橘", "/marketplace/", f"/marketplace/match?text={NEED}", "/popsci/", "/emergency/")
SIGNED_IN = ("/account", "/marketplace/needs/new", "/marketplace/offers/new", "/marketplace/mine",
             "/marketplace/inbox", "/marketplace/profile", "/review", "/popsci/new",
             "/emergency/new")  # fmt: skip
UNLABELLED = """() => [...document.querySelectorAll("input, select, textarea, button, meter, progress")]
    .filter(e => e.type !== "hidden" && !(e.ariaHidden === "true" && e.tabIndex < 0))
    .filter(e => {
        const by = (e.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean);
        const named = [...(e.labels || []), ...by.map(id => document.getElementById(id))];
        const texts = named.map(n => n ? n.textContent : "").concat(e.getAttribute("aria-label") || "");
        if (e.tagName === "BUTTON") texts.push(e.textContent);
        if (e.tagName === "METER" || e.tagName === "PROGRESS") texts.push(e.title);
        return !texts.some(t => t.trim());
    })
    .map(e => e.outerHTML.slice(0, 120))"""
WIDER_THAN_THE_SCREEN = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
    [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 120)).slice(0, 5)
    .concat(`${document.documentElement.scrollWidth} px on a screen of ${window.innerWidth} px`)"""


@dataclass
class Served:
    """A site that answers at ``address``; ``pages`` are records that everybody may read."""

    address: str
    pages: list[str]


@dataclass
class Heard:
    """What a page complained about while it was open."""

    complaints: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        """Note errors of scripts, of the console, and files that did not come."""
        page.on("pageerror", lambda e: self.complaints.append(f"{page.url}: {e}"))
        page.on("console", self._note)
        page.on("requestfailed", self._lost)

    def _lost(self, request: Any) -> None:
        # Going on to the next page, Chromium drops an icon that is still on its way; nothing is missing
        # then. An icon that the site lacks cannot be linked: static_url refuses it.
        if "favicon" in request.url and request.failure == "net::ERR_ABORTED":
            return
        self.complaints.append(f"{request.url}: {request.failure}")

    def _note(self, message: ConsoleMessage) -> None:
        # The page for a missing address answers 404, which the console reports as it should.
        where = message.location["url"]
        if message.type in ("error", "warning") and not where.endswith(MISSING):
            self.complaints.append(f"{where}: {message.text}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; without Chromium they are skipped, or fail when all is required."""
    if not CHROMIUM.exists():
        why = f"{CHROMIUM} is missing; install the package chromium"
        if os.environ.get("KEYUN_REQUIRE_ALL") == "1":
            pytest.fail(why)
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def served(make_site: Callable[..., Site], make_app: Callable[..., Flask]) -> Iterator[Served]:
    """A site with demonstration records on a free port of this machine."""
    site = make_site(*PLUGINS)
    fill(site)
    app = make_app(site=site)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Served(f"http://127.0.0.1:{server.server_port}", record_pages(app))
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def visit(chromium: Browser, served: Served) -> Iterator[Callable[..., BrowserContext]]:
    """``visit(login=None, **options)``: a phone with its own cookies, logged in through the form."""
    opened: list[BrowserContext] = []

    def begin(login: str | None = None, **options: Any) -> BrowserContext:
        context = chromium.new_context(base_url=served.address, viewport=PHONE, **options)
        context.set_default_timeout(10_000)
        opened.append(context)
        if login:
            page = context.new_page()
            page.goto("/login")
            page.fill("#login", login)
            page.fill("#password", PASSWORD)
            page.click("main form button")
            assert page.locator(".site-user a").inner_text() == login
            page.close()
        return context

    yield begin
    for context in opened:
        context.close()


def fill(site: Site) -> None:
    """Articles and resources of the demonstration; an offer, a need, and a person who may be found."""
    from keyun_marketplace import services

    for file in site.plugins.demo():
        if file.importer in ("articles", "resources"):
            assert run(site, site.importers[file.importer], file.path, system()).failed == 0
    expert, helper = people(site)
    with site.writing() as unit:
        services.publish_item(expert, unit, create(expert, unit, services.offer_type(), OFFER))
        services.save_profile(helper, unit, PROFILE)
        services.post_sentence(expert, unit, {"text": "想找柑橘采后保鲜的办法", "region": "511402"})


def people(site: Site) -> tuple[Actor, Actor]:
    """An expert and a helper; besides them an asker of a cooperative, and an editor who reviews."""
    with site.writing() as unit:
        cooperative = make_organization(unit, "演示柑橘合作社")
        make_user(unit, "asker", level=2, password=PASSWORD, organizations=[cooperative])
        roles = [("editor", "510000"), ("reviewer", "510000")]
        make_user(unit, "editor", level=2, password=PASSWORD, roles=roles)
        expert = make_user(unit, "expert", level=2)
        return actor_for(expert), actor_for(make_user(unit, "helper", level=2, region="511424"))


def record_pages(app: Flask) -> list[str]:
    """The first record that each list leads to, as a reader of the lists finds it."""
    lists = ("/marketplace/offers", "/marketplace/needs", "/popsci/", "/emergency/")
    visitor = browse(app)
    found = []
    for path in lists:
        links = re.findall(rf'href="({path.rstrip("/")}/[0-9a-f-]{{36}})"', visitor.get(path).text)
        assert links, f"{path} lists nothing"
        found.append(links[0])
    return found


def problems(page: Page, language: str) -> list[str]:
    """What is wrong with the page that is open."""
    found = [f"no label: {e}" for e in page.evaluate(UNLABELLED)]
    found += [f"too wide: {e}" for e in page.evaluate(WIDER_THAN_THE_SCREEN)]
    if (headings := page.locator("h1").count()) != 1:
        found.append(f"{headings} headings h1")
    if (said := page.locator("html").get_attribute("lang")) != LANGUAGES[language]:
        found.append(f"lang is {said}")
    return found


def walk(context: BrowserContext, paths: Iterable[str], language: str) -> list[str]:
    """Open every path on a phone; returns the complaints of the pages and of the browser."""
    heard, page = Heard(), context.new_page()
    heard.listen(page)
    page.goto(f"/?lang={language}")
    found = []
    for path in paths:
        answer = page.goto(path)
        assert answer is not None
        arrived = (answer.status, urlsplit(page.url).path)
        if arrived != (404 if path == MISSING else 200, urlsplit(path).path):
            found.append(f"{path}: {answer.status} at {page.url}")
        found += [f"{path}: {p}" for p in problems(page, language)]
    return found + heard.complaints


@on_sqlite
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_public_page_fits_a_phone_and_names_its_parts(
    visit: Callable[..., BrowserContext], served: Served, language: str
) -> None:
    assert walk(visit(), [*PUBLIC, *served.pages], language) == []


@on_sqlite
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_form_fits_a_phone_and_names_its_parts(
    visit: Callable[..., BrowserContext], language: str
) -> None:
    assert walk(visit("editor"), SIGNED_IN, language) == []


def test_the_checks_notice_a_page_that_is_wrong(chromium: Browser) -> None:
    page = chromium.new_page(viewport=PHONE)
    heard = Heard()
    heard.listen(page)
    page.set_content(
        "<html lang=en><h1>a</h1><h1>b</h1><input><button></button><label>c<input></label>"
        "<div style='width:500px'>wide</div><script>console.error('lost')</script>"
    )
    found = problems(page, "zh")
    page.close()
    wrong = ["no label", "no label", "too wide", "too wide", "2 headings h1", "lang is en"]
    assert [f.split(":")[0] for f in found] == wrong
    assert [c.endswith("lost") for c in heard.complaints] == [True]


@on_sqlite
def test_a_need_is_posted_and_its_matches_are_explained_without_javascript(
    visit: Callable[..., BrowserContext],
) -> None:
    page = visit("asker", java_script_enabled=False).new_page()
    page.goto("/marketplace/needs/new")
    page.get_by_label("遇到什么问题").fill(NEED)
    page.get_by_label("地区").select_option("511424")
    page.get_by_role("button", name="发布并查看匹配").click()
    assert "/marketplace/needs/" in page.url and not page.url.endswith("/new")
    offer = page.locator("section[aria-labelledby=matches] li.match").filter(has_text=OFFER["title"])
    assert offer.locator(".why-term").all_inner_texts()
    offer.locator("summary").filter(has_text="如何得来").click()
    assert offer.get_by_text("都提到「黄龙病」").is_visible()
    person = page.locator("section[aria-labelledby=people] li").filter(has_text=PROFILE["title"])
    assert person.locator(".why-term").all_inner_texts()
    assert "helper" not in page.locator("main").inner_text()


@on_sqlite
def test_lists_matches_and_records_say_the_same_without_javascript(
    visit: Callable[..., BrowserContext], served: Served
) -> None:
    with_it, without = visit().new_page(), visit(java_script_enabled=False).new_page()
    for path in (*SCRIPTLESS, *served.pages):
        with_it.goto(path)
        without.goto(path)
        assert without.locator("main").inner_text() == with_it.locator("main").inner_text(), path


@on_sqlite
@pytest.mark.parametrize(("language", "words"), [("zh", "跳到正文"), ("en", "Skip to content")])
def test_the_first_tab_reaches_the_skip_link_and_it_leads_to_the_content(
    visit: Callable[..., BrowserContext], served: Served, language: str, words: str
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
