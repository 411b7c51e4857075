"""The pages that ``keyun plugins new`` writes: axe finds nothing, in both languages, on a phone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from werkzeug.serving import make_server

from keyun.accounts import actor_for
from keyun.content import create
from keyun.testing import MakeApp, MakeSite, browse, make_item, make_user

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("backend", ["sqlite"], indirect=True)]
NAME = "page_trial"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
AXE = """async rules => (await axe.run(document, {runOnly: rules})).violations.flatMap(
    v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary}`))"""


@pytest.fixture
def writer(
    chromium: Browser, scaffolded: Callable[..., Path], make_site: MakeSite, make_app: MakeApp
) -> Iterator[tuple[BrowserContext, list[str]]]:
    """The browser of somebody who has written entries, and every page of the plugin."""
    scaffolded(NAME)
    site = make_site(NAME)
    with site.writing() as unit:
        user = make_user(unit)
        make_item(unit, f"{NAME}.entry", venue="市科技馆", summary="摘要")
        values = {"title": "草稿", "body": "正文。", "region": "511402"}
        draft = create(actor_for(user), unit, site.content_type(f"{NAME}.entry"), values)
    app = make_app(site=site)
    client = browse(app)
    client.log_in(user)
    cookie = client.get_cookie("keyun")
    assert cookie is not None
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    context = chromium.new_context(base_url=address, viewport={"width": 390, "height": 844}, bypass_csp=True)
    context.add_cookies([{"name": "keyun", "value": cookie.value, "url": address}])
    paths = ["", "new", draft.public_id, f"{draft.public_id}/edit"]
    yield context, [f"/{NAME}/{path}" for path in paths]
    context.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_axe_finds_nothing_on_the_pages_of_a_new_plugin(writer: tuple[BrowserContext, list[str]]) -> None:
    pytest.importorskip("axe_playwright_python", reason="it brings axe.min.js")
    script = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    context, paths = writer
    page = context.new_page()
    for language in ("zh", "en"):
        for path in paths:
            answer = page.goto(f"{path}?lang={language}")
            assert answer is not None and answer.status == 200
            page.evaluate(script)
            assert page.evaluate(AXE, RULES) == [], f"{path} in {language}"
    page.goto(f"/{NAME}/new")
    page.click("button[name=publish]")
    page.evaluate(script)
    assert page.locator(".is-invalid").count() == 3
    assert page.evaluate(AXE, RULES) == []
