"""One browser and one served site for tests of pages: demonstration records, and a person for each role."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from flask import Flask, abort
from sqlalchemy.orm import object_session
from werkzeug.serving import make_server

from keyun import config as configuration
from keyun.access import Actor, system
from keyun.accounts import User, actor_for
from keyun.app import create_app
from keyun.content import Content, change, create, publish, release
from keyun.errors import DatabaseError
from keyun.exchange import run
from keyun.hookspecs import DemoFile
from keyun.jobs import Worker
from keyun.reviews.models import Review
from keyun.reviews.services import comment, find_review
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.sites.services import add_site
from keyun.testing import Browser as Client
from keyun.testing import browse, make_organization, make_user
from keyun.testing.databases import Databases
from keyun.testing.instances import write_instance
from keyun.uow import UnitOfWork

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, ViewportSize

PLUGINS = ("marketplace", "popsci", "emergency", "bayu_bridge", "notices")
SITE = {
    "operator": "演示省科学技术协会", "contact": "028-00000000", "icp": "演示ICP备00000000号-1",
    "police": "演示公网安备 51000000000000号", "demo": True,
}  # fmt: skip
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
PHONE: ViewportSize = {"width": 390, "height": 844}
PASSWORD = "correct horse battery"
NEED = "我们合作社的柑橘园发现叶片黄化斑驳，怀疑是黄龙病，想请专家来诊断并制定木虱防控方案"
OFFER = {
    "title": "柑橘黄龙病 PCR 检测", "summary": "三天出报告", "body": "采叶片做黄龙病检测，三天出报告。",
    "keywords": "黄龙病，检测，柑橘", "discipline": "植物保护", "region": "511402",
}  # fmt: skip
PROFILE = {
    "title": "高级农艺师", "keywords": "柑橘，黄龙病诊断", "summary": "到果园诊断黄龙病", "findable": "true",
}  # fmt: skip
ARTICLE = {
    "title": "血压怎么量才准", "summary": "坐定五分钟再量", "body": "## 怎么量\n\n坐定五分钟。见[指南](https://example.org/)。",
    "category": "health", "source": "演示书", "voucher": "演示学会", "region": "511402",
}  # fmt: skip
SUBSITE = {"slug": "meishan", "name": "演示眉山子站", "name_en": "Demo Meishan", "region": "511400"}
MISSING = "/nowhere"


@dataclass
class Served:
    """A site that answers at ``address``; ``records`` are what the examples of pages are made of."""

    address: str
    app: Flask
    site: Site
    records: Mapping[str, str]
    roles: tuple[str, ...] = ("", "asker", "editor", "admin")

    @property
    def pages(self) -> list[str]:
        """Records that everybody may read."""
        kinds = ("marketplace/offers", "marketplace/needs", "popsci", "emergency")
        return [f"/{kind}/{self.records[kind]}" for kind in kinds]

    def scout(self, login: str, language: str) -> Client:
        """A quick client of somebody's, to find out where a browser should look."""
        client = browse(self.app)
        client.get(f"/?lang={language}")
        if login:
            with self.site.reading() as unit:
                client.log_in(unit.session.scalars(sa.select(User).where(User.login == login)).one())
        return client


@dataclass
class Heard:
    """What a page complained about while it was open."""

    complaints: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        """Note errors of scripts, of the console, and files that did not come."""
        page.on("pageerror", lambda e: self.complaints.append(f"{page.url}: {e}"))
        page.on("console", self._note)
        page.on("requestfailed", self._lost)

    def _lost(self, request: Request) -> None:
        # Going on to the next page, Chromium drops an icon that is still on its way; nothing is missing
        # then. An icon that the site lacks cannot be linked: static_url refuses it.
        if "favicon" in request.url and request.failure == "net::ERR_ABORTED":
            return
        self.complaints.append(f"{request.url}: {request.failure}")

    def _note(self, message: ConsoleMessage) -> None:
        # A page that answers with an error status is reported by the console, as it should be.
        refused = message.text.startswith("Failed to load resource: the server responded with a status of")
        if message.type in ("error", "warning") and not refused:
            self.complaints.append(f"{message.location['url']}: {message.text}")


@pytest.fixture
def heard() -> Callable[[Page], list[str]]:
    """``heard(page)``: the list to which everything is added that the page complains about."""

    def listen(page: Page) -> list[str]:
        found = Heard()
        found.listen(page)
        return found.complaints

    return listen


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def served(
    chromium: Browser, keyun_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The site with everything in it, on a free port of this machine."""
    folder = tmp_path_factory.mktemp("browser") / "instance"
    url = keyun_databases.copy("sqlite", PLUGINS, folder)
    rules = {"review": [{"type": "popsci.article", "region": "511402", "policy": "review-first"}]}
    write_instance(
        folder, url, PLUGINS, {"site": SITE, "content": rules, "web": {"login_limit": "500 per minute"}}
    )
    runtime = Runtime(configuration.load(folder, {}))
    site = Site.open(runtime)
    records = fill(site)
    app = create_app(site)
    app.add_url_rule("/broken/<int:status>", "broken", broken)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Served(f"http://127.0.0.1:{server.server_port}", app, site, records | first_records(app))
    server.shutdown()
    thread.join()
    server.server_close()
    runtime.close()


@pytest.fixture
def visit(chromium: Browser, served: Served) -> Iterator[Callable[..., BrowserContext]]:
    """``visit(login="", **options)``: a phone with its own cookies, logged in through the form."""
    opened: list[BrowserContext] = []

    def begin(login: str = "", **options: Any) -> BrowserContext:
        context = chromium.new_context(**{"base_url": served.address, "viewport": PHONE} | options)
        context.set_default_timeout(10_000)
        opened.append(context)
        if login:
            page = context.new_page()
            page.goto("/login")
            page.fill("#login", login)
            page.fill("#password", PASSWORD)
            page.click("main form button")
            assert page.locator(".site-user a[href$=account]").inner_text() == login
            page.close()
        return context

    yield begin
    for context in opened:
        context.close()


def broken(status: int) -> str:
    """A page that fails in one of the ways that pages fail."""
    if status == 500:
        raise RuntimeError("a fault that was planted")
    if status == 503:
        raise DatabaseError("a database that was unplugged")
    abort(status)


def fill(site: Site) -> dict[str, str]:
    """The demonstration, and records of people of ours; returns their public ids."""
    with ExitStack() as stack:
        core = files("keyun") / "demo"
        own = [
            DemoFile(n, stack.enter_context(as_file(core / f"{n}.csv")), 0)
            for n in ("organizations", "users")
        ]
        for file in [*own, *sorted(site.plugins.demo(), key=lambda f: f.weight)]:
            assert run(site, site.importers[file.importer], file.path, system()).failed == 0
    who = people(site)
    records = write(site, who) | push(site, who)
    Worker(site).drain()
    return records


def people(site: Site) -> dict[str, Actor]:
    """Who appears in the tests, with the same password each."""
    with site.writing() as unit:
        cooperative = make_organization(unit, "演示柑橘合作社")
        grants = {"editor": [("editor", "510000"), ("reviewer", "510000")], "admin": [("admin", "100000")]}
        found = {}
        for login in ("asker", "expert", "helper", "editor", "admin"):
            member = [cooperative] if login == "asker" else []
            found[login] = make_user(
                unit, login, level=2, password=PASSWORD, roles=grants.get(login, ()), organizations=member
            )
        return {login: actor_for(user) for login, user in found.items()}


def write(site: Site, who: Mapping[str, Actor]) -> dict[str, str]:
    """An offer and a need that fit, a request from one to the other, drafts, and a text to review."""
    from keyun_marketplace import services

    with site.writing() as unit:
        add_site(
            system(),
            unit,
            {"slug": "meishan", "name": "演示眉山子站", "name_en": "Demo Meishan", "region": "511400"},
        )
        offer = services.publish_item(
            who["expert"], unit, create(who["expert"], unit, services.offer_type(), OFFER)
        )
        services.save_profile(who["helper"], unit, PROFILE)
        need = services.post_sentence(who["asker"], unit, {"text": NEED, "region": "511424"})
        services.ask(
            who["asker"], unit, need, {"kind": "offer", "target": offer.public_id, "message": "请来看看"}
        )
        draft = create(who["asker"], unit, services.offer_type(), OFFER | {"title": "合作社的育苗床"})
        article = unit.site.content_type("popsci.article")
        # Not the editor's own: somebody else must be able to review it.
        waiting = publish(who["admin"], unit, create(who["admin"], unit, article, ARTICLE))
        assert waiting.state == "submitted"
        reviews = {"review": review_of(waiting), "changed": changed_article(who, unit)}
        own = create(who["editor"], unit, article, ARTICLE | {"title": "血压计怎么挑"})
        kind = unit.site.content_type("emergency.resource")
        values = {"title": "山洪来了往哪走", "body": "往两侧山坡走。", "hazard": "flood", "region": "511402"}
        resource = create(who["editor"], unit, kind, values)
        items: dict[str, Content] = {
            "need": need, "offer": offer, "draft": draft, "waiting": waiting, "article": own,
            "resource": resource,
        }  # fmt: skip
        return {name: item.public_id for name, item in items.items()} | reviews


def changed_article(who: Mapping[str, Actor], unit: UnitOfWork) -> str:
    """A public article that was changed and waits again, with a conversation; returns its review."""
    article = unit.site.content_type("popsci.article")
    draft = create(who["admin"], unit, article, ARTICLE | {"title": "盐吃多少合适"})
    item = publish(who["admin"], unit, draft)
    release(who["editor"], unit, item)
    body = "## 怎么量\n\n坐定十分钟。见 http://10.0.0.8/ 。"
    change(who["admin"], unit, item, {"body": body, "source": "演示书第二版"})
    number = review_of(item)
    review, _item = find_review(who["editor"], unit, number)
    comment(who["editor"], unit, review, "十分钟从哪里来？")
    comment(who["admin"], unit, review, "演示书第 12 页。")
    return number


def review_of(item: Content) -> str:
    """The public id of the open review of ``item``."""
    session = object_session(item)
    assert session is not None
    query = sa.select(Review.public_id).where(Review.content_id == item.id, Review.state == "open")
    return session.scalars(query).one()


def push(site: Site, who: Mapping[str, Actor]) -> dict[str, str]:
    """A notice with its files and its successor, a contact, a relay, a call, and a link that refuses."""
    from keyun_notices.contacts.services import record_consent
    from keyun_notices.eligibility import services as calls
    from keyun_notices.inbox.services import look
    from keyun_notices.preferences.optout import ACCOUNT, optout_token
    from keyun_notices.publishing import services as notices
    from keyun_notices.publishing.draft import Draft
    from keyun_notices.publishing.files import keep
    from keyun_notices.relays.services import add

    admin, here = who["admin"], {"region": "511402"}
    with site.reading() as unit:
        kept = keep(admin, unit, "路线.txt", "往两侧山坡走。".encode())
        asker = unit.session.get_one(User, who["asker"].user_id)
        token = optout_token(site, ACCOUNT, asker.public_id, topic="awards")
    with site.writing() as unit:
        first = Draft("demo-1", title="演示：周五停水", body="上午九点到十一点。", regions=("511402",))
        notices.publish(admin, unit, first)
        text = "## 改期\n\n改到周六，见 [说明](https://example.org/)。"
        later = Draft(
            "demo-2", title="演示：停水改期", body=text, kind="update", refers_to=("demo-1",),
            regions=("511402",), attachments=(kept,), link="https://example.org/", contacts=True, relays=True,
        )  # fmt: skip
        notice = notices.publish(admin, unit, later)
        consent = {"phone": "13800000000", "consented_on": "2026-01-01", "evidence": "演示登记表"}
        contact = record_consent(admin, unit, consent | here)
        relay, key = add(admin, unit, {"kind": "person", "name": "演示网格", "manager": "asker", **here})
        audience = {"attribute": "level", "from": 2}
        values = {"kind": "award", "title": "演示：青年科技奖", "audience": audience, "summary": "公开申报。"}
        call = calls.create(admin, unit, values | here)
        draft = calls.create(admin, unit, values | here | {"title": "演示：草拟的申报"})
        calls.publish(admin, unit, call)
        rows: dict[str, Any] = {"notice": notice, "contact": contact, "relay": relay}
        rows |= {"call": call, "call-draft": draft}
        found = {name: row.public_id for name, row in rows.items()}
        file = look(who["asker"], unit, notice.public_id).attachments[0].public_id
    return found | {"relay-key": key, "optout": token, "notice-file": file}


def first_records(app: Flask) -> dict[str, str]:
    """The first record that each public list leads to, as a reader of the lists finds it."""
    visitor = browse(app)
    found = {}
    for kind in ("marketplace/offers", "marketplace/needs", "popsci", "emergency"):
        text = visitor.get(f"/{kind}").text if "/" in kind else visitor.get(f"/{kind}/").text
        links = re.findall(rf'href="/{kind}/([0-9a-f-]{{36}})"', text)
        assert links, f"{kind} lists nothing"
        found[kind] = links[0]
    return found
