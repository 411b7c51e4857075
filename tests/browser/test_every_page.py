"""Every page of the core and of every plugin, as every kind of person sees it: axe, language, layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from flask import Flask

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, ViewportSize
    from werkzeug.test import TestResponse

    from tests.browser.conftest import Served

pytestmark = pytest.mark.browser
LANGUAGES = {"zh": "zh-CN", "en": "en"}
WIDTHS: tuple[ViewportSize, ...] = ({"width": 390, "height": 844}, {"width": 1280, "height": 800})
#: A desk at 400 %: there too nothing may need scrolling in two directions.
SMALLEST: ViewportSize = {"width": 320, "height": 640}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
#: Where a page with parts in its address is found; ``{need}`` is a record of the fixture ``served``.
EXAMPLES = {
    "marketplace.need": ("/marketplace/needs/{need}", "/marketplace/needs/{marketplace/needs}"),
    "marketplace.offer": ("/marketplace/offers/{offer}", "/marketplace/offers/{draft}"),
    "marketplace.list": ("/marketplace/offers", "/marketplace/needs?q=柑橘", "/marketplace/needs?q=zzzz"),
    "marketplace.edit": ("/marketplace/needs/{need}/edit", "/marketplace/offers/{draft}/edit"),
    "marketplace.match": ("/marketplace/match", "/marketplace/match?text=柑橘园叶片黄化，怀疑黄龙病"),
    "popsci.show": ("/popsci/{popsci}", "/popsci/{waiting}"),
    "popsci.edit": ("/popsci/{article}/edit",),
    "emergency.show": ("/emergency/{emergency}", "/emergency/{resource}"),
    "emergency.edit": ("/emergency/{resource}/edit",),
    "files.of": ("/files/of/{article}",),
    "review.of": ("/review/item/{waiting}",),
    "review.show": ("/review/{review}", "/review/{changed}"),
    "notices.notice": ("/notices/inbox/{notice}",),
    "notices.file": ("/notices/inbox/{notice}/files/{notice-file}",),
    "notices-compose.compose": ("/notices/compose", "/notices/compose?update={notice}"),
    "notices-compose.record": ("/notices/sent/{notice}",),
    "notices-compose.figures": ("/notices/sent/figures.csv", "/notices/sent/figures.json"),
    "notices-compose.figures_of": ("/notices/sent/{notice}/figures.csv",),
    "notices-contacts.show": ("/notices/contacts/{contact}",),
    "notices-eligibility.call": ("/notices/calls/{call}",),
    "notices-eligibility.check": ("/notices/calls/{call}/check", "/notices/calls/{call-draft}/check"),
    "notices-eligibility.edit": ("/notices/calls/{call-draft}/edit",),
    "notices-preferences.document": ("/notices/feed.rss", "/notices/feed.atom"),
    "notices-preferences.optout": ("/notices/optout/{optout}",),
    "notices-preferences.read": ("/notices/feed/{notice}",),
    "notices-relays.show": ("/notices/relays/{relay}",),
    "notices-relays.edit": ("/notices/relays/{relay}/edit",),
    "notices-relays.own": ("/notices/relays/{relay}/tasks",),
    "notices-relays.tasks": ("/notices/relay/{relay-key}",),
    "search.index": ("/search", "/search?q=柑橘", "/search?q=zzzzzz"),
    "admin.edit_site": ("/admin/sites/meishan",),
    "subsites.unknown": ("/s/nowhere/", "/s/meishan/", "/s/meishan/search?q=柑橘"),
    "broken": ("/broken/403", "/broken/404", "/broken/413", "/broken/429", "/broken/500", "/broken/503"),
}
#: Addresses that lead elsewhere or answer programs; each is visited all the same, and must not be a page.
NO_PAGES = {
    "files.show", "files.smaller", "home.lang", "home.health", "home.ready", "api.openapi", "static.file",
    "static.favicon",
}  # fmt: skip
#: Forms that are sent empty, by who sends them.
FORMS = {
    "": ("/login", "/register"),
    "editor": (
        "/account", "/marketplace/needs/new", "/marketplace/offers/new", "/marketplace/profile",
        "/popsci/new", "/emergency/new", "/review/{review}",
        "/files/of/{article}",
    ),
    "admin": ("/notices/contacts/new", "/notices/relays/new", "/notices/relays/{relay}/edit",
              "/notices/calls/new"),
}  # fmt: skip
#: Inputs that nobody types into.
NOT_TYPED = ("checkbox", "number", "date", "file")
AXE = """async rules => {
    const found = await axe.run(document, {runOnly: rules, rules: {"target-size": {enabled: true}},
        resultTypes: ["violations"]});
    return found.violations.flatMap(v => v.nodes.map(
        n => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary}`));
}"""
WIDER_THAN_THE_SCREEN = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
    [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 120)).slice(0, 5)
    .concat(`${document.documentElement.scrollWidth} px on a screen of ${window.innerWidth} px`)"""
#: Texts that a reader of the page's language cannot read: the language of an element says what it is in.
FOREIGN = """language => {
    const said = e => (e.closest("[lang]").lang || "").slice(0, 2);
    const chinese = t => /[\\u3400-\\u9fff\\u3000-\\u303f\\uff00-\\uffef]/.test(t);
    const words = t => (t.match(/[A-Za-z]{3,}/g) || []).length;
    const wrong = (text, lang) => lang === "en" ? chinese(text) : !chinese(text) && words(text) >= 2;
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, parent = node.parentElement;
        if (parent.closest("script, style, code, pre, kbd, textarea, [translate=no]")) continue;
        if (said(parent) === language && wrong(node.data, language))
            found.push(node.data.trim().slice(0, 80));
    }
    for (const e of document.querySelectorAll("[placeholder], [title], [aria-label], [alt], optgroup"))
        for (const name of ["placeholder", "title", "aria-label", "alt", "label"])
            if (said(e) === language && wrong(e.getAttribute(name) || "", language))
                found.push(`${name}: ${e.getAttribute(name)}`);
    return [...new Set(found)];
}"""
#: What differs each time a page is shown: keys of forms, numbers of requests, where a log-in leads to.
VARIES = re.compile(r'name="(csrf_token|next)" value="[^"]*"|next=[^"]*|<code>[0-9a-f]{16}</code>')
STRUCTURE = """language => {
    const found = [];
    const one = (what, query) => {
        const n = document.querySelectorAll(query).length;
        if (n !== 1) found.push(`${n} × ${what}`);
    };
    one("h1", "h1"); one("main", "main"); one("description", "meta[name=description][content]");
    one("canonical", "link[rel=canonical][href], meta[name=robots][content=noindex]"); one("title", "title");
    if (document.documentElement.lang !== language) found.push(`lang is ${document.documentElement.lang}`);
    if (document.title.split(" · ").filter(t => t.trim()).length < 2) found.push(`title ${document.title}`);
    const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
    found.push(...ids.filter((id, i) => ids.indexOf(id) !== i).map(id => `id ${id} twice`));
    return found;
}"""


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility engine, from a package: no test asks another server."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def addresses(app: Flask, records: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(endpoint, address) of every page that answers to GET.

    :raises AssertionError: when a page with parts in its address has no example.
    """
    rules: dict[str, list[str]] = {}
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            rules.setdefault(rule.endpoint, []).append("" if rule.arguments else rule.rule)
    unknown = sorted(
        e for e, found in rules.items() if e not in EXAMPLES and "" in found and not is_program(e)
    )
    assert not unknown, f"give EXAMPLES an address of {unknown}"
    for endpoint, found in sorted(rules.items()):
        for address in EXAMPLES.get(endpoint, tuple(found)):
            if address and not is_program(endpoint):
                yield endpoint, filled(address, records)


def filled(address: str, records: Mapping[str, str]) -> str:
    """``address`` with records in the places of ``{…}``."""
    return re.sub(r"\{([^}]+)\}", lambda m: records[m.group(1)], address)


def is_program(endpoint: str) -> bool:
    """Whether programs ask there, not people."""
    return endpoint in NO_PAGES or endpoint.partition(".")[0].endswith("-api")


class Walker:
    """Looks at pages once each: a page that is the same for somebody else is not looked at again."""

    def __init__(self, axe: str, language: str) -> None:
        self.axe, self.language = axe, language
        self.seen: set[str] = set()
        self.found: list[str] = []

    def is_new(self, answer: TestResponse) -> bool:
        """Whether this is a page, and nobody has seen one like it."""
        if answer.mimetype != "text/html" or "attachment" in answer.headers.get("Content-Disposition", ""):
            return False
        inside = answer.text.partition("<main")[2].partition("</main>")[0]
        key = VARIES.sub("", inside)
        new = key not in self.seen
        self.seen.add(key)
        return new

    def look(self, page: Page, where: str) -> None:
        """Judge the page that is open, on a phone and a desk; English, whose words are longer, on a phone."""
        language = LANGUAGES[self.language]
        self.say(where, page.evaluate(STRUCTURE, language))
        self.say(where, page.evaluate(FOREIGN, self.language))
        page.evaluate(self.axe)
        for size in WIDTHS if self.language == "zh" else WIDTHS[:1]:
            page.set_viewport_size(size)
            at = f"{where} at {size['width']} px"
            self.say(at, page.evaluate(WIDER_THAN_THE_SCREEN))
            self.say(at, page.evaluate(AXE, RULES))
        page.set_viewport_size(SMALLEST)
        self.say(f"{where} at 320 px", page.evaluate(WIDER_THAN_THE_SCREEN))
        page.evaluate("document.documentElement.classList.add('large')")
        page.set_viewport_size(WIDTHS[0])
        self.say(f"{where} in large text", page.evaluate(WIDER_THAN_THE_SCREEN))

    def say(self, where: str, complaints: list[str]) -> None:
        self.found += [f"{where}: {c}" for c in complaints]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_sound_for_everybody(
    visit: Callable[..., BrowserContext],
    served: Served,
    heard: Callable[[Page], list[str]],
    axe: str,
    language: str,
) -> None:
    walker = Walker(axe, language)
    pages = list(addresses(served.app, dict(served.records)))
    came: set[str] = set()
    for role in served.roles:
        page = visit(role).new_page()
        complaints = heard(page)
        page.goto(f"/?lang={language}")
        scout = served.scout(role, language)
        for endpoint, address in pages:
            answer, wanted = scout.get(address, follow_redirects=True), wanted_status(endpoint, address)
            where = f"{role or 'visitor'} {address}"
            came |= {address} if answer.status_code == wanted else set()
            if answer.status_code not in (200, 403, 404, wanted):
                walker.say(where, [f"answers {answer.status_code}"])
            if walker.is_new(answer):
                page.goto(address)
                walker.look(page, where)
        walker.say(role, complaints)
    lost = [address for _, address in pages if address not in came]
    walker.say("nobody", [f"may see {address}" for address in lost])
    assert not walker.found, "\n".join(walker.found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_form_that_was_refused_is_sound_and_says_why(
    visit: Callable[..., BrowserContext], served: Served, axe: str, language: str
) -> None:
    walker = Walker(axe, language)
    for role, forms in FORMS.items():
        page = visit(role).new_page()
        page.goto(f"/?lang={language}")
        for address in (filled(form, served.records) for form in forms):
            page.goto(address)
            page.set_viewport_size(WIDTHS[0])
            for box in page.locator(
                "main form[method=post] input:not([type=hidden]):not([readonly]), main form textarea"
            ).all():
                if box.is_visible() and box.get_attribute("type") not in NOT_TYPED:
                    box.fill("x" if address == "/login" else "")
            page.locator("main form[method=post] button").last.click()
            where = f"{role or 'visitor'} {address} refused"
            if not page.locator("[role=alert], .invalid-feedback").count():
                walker.say(where, ["says nothing"])
            if address != "/login" and not page.locator("[aria-invalid=true][aria-describedby]").count():
                walker.say(where, ["names no field"])
            walker.look(page, where)
    assert not walker.found, "\n".join(walker.found)


def wanted_status(endpoint: str, address: str) -> int:
    """What the page answers to somebody who may see it."""
    if endpoint == "broken":
        return int(address.rpartition("/")[2])
    return 404 if address == "/s/nowhere/" else 200
