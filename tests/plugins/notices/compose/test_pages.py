"""Sending through the pages: whom, what, check, publish, look back."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
import sqlalchemy as sa
from flask import Flask

from keyun.site import Site
from keyun.testing import Browser, MakeApp, MakeSite, browse, make_user
from keyun_notices.publishing.models import Notice

DRAFT = re.compile(r'name="draft" value="([^"]*)"')
MESSAGE = {"topic": "general", "title": "柑橘培训", "body": "周五上午在村委会。"}


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """People of two cities, one of them verified."""
    site = make_site("notices")
    with site.writing() as unit:
        for n in range(30):
            make_user(unit, f"p{n}", region="511402" if n % 3 else "510104", level=n % 4)
    return site


@pytest.fixture
def app(make_app: MakeApp, site: Site) -> Flask:
    return make_app(site=site)


def staff(app: Flask, site: Site, region: str = "511400", role: str = "staff") -> Browser:
    """The browser of somebody who sends for ``region``."""
    with site.writing() as unit:
        user = make_user(unit, f"{role}-{region}", level=2, region=region, roles=[(role, region)])
    browser = browse(app)
    browser.log_in(user)
    return browser


def draft_of(text: str) -> str:
    """What the page carries in its hidden field."""
    found = DRAFT.search(text)
    assert found is not None, "the page carries no notice"
    return unescape(found[1])


def step(browser: Browser, at: str, do: str, draft: str, **fields: object) -> str:
    """Press a button; the page that comes."""
    answer = browser.submit("/notices/compose", {"at": at, "do": do, "draft": draft, **fields})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_look(app: Flask, site: Site) -> None:
    browser = staff(app, site)
    page = browser.get("/notices/compose")
    assert page.status_code == 200, page.text
