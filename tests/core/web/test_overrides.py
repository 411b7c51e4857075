"""Templates, texts and files are replaced by whoever comes later, and at last by the instance."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from click.testing import CliRunner
from flask import Flask

from keyun.app import create_app
from keyun.cli import cli
from keyun.site import Site
from keyun.testing import Browser, browse

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MakeApp = Callable[..., Flask]
WritePlugin = Callable[..., Path]
PAGE = """
from flask import Blueprint, render_template
from flask_babel import gettext as _
from keyun.plugins import Plugin, hookimpl, public

class P(Plugin):
    @hookimpl
    def keyun_blueprints(self):
        pages = Blueprint(self.slot, __name__)
        pages.add_url_rule("/", "index", public(lambda: render_template("pages/index.html")))
        yield pages
"""
INDEX = (
    '{% extends "keyun/layout.html" %}{% block title %}{{ _("页面") }}{% endblock %}'
    '{% block content %}<p id="text">{{ _("你好，%(name)s", name="李") }} {{ _("登录") }}</p>{% endblock %}'
)
LATER = '{% extends "@pages/pages/index.html" %}{% block title %}later{% endblock %}'
OURS = '{% extends "@pages/pages/index.html" %}{% block title %}ours{% endblock %}'


def put(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def po(*pairs: tuple[str, str]) -> str:
    head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    return head + "\n".join(f'msgid "{a}"\nmsgstr "{b}"\n' for a, b in pairs)


def mo(path: Path, *pairs: tuple[str, str]) -> None:
    catalog = Catalog("en")
    for original, text in pairs:
        catalog.add(original, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_mo(file, catalog)


@pytest.fixture
def pages(write_plugin: WritePlugin) -> Path:
    """A plugin with a page, and a text in two languages."""
    package = write_plugin("pages", PAGE)
    put(package / "templates/pages/index.html", INDEX)
    put(package / "static/pages/a.txt", "original")
    texts = ("页面", "page"), ("你好，%(name)s", "hello %(name)s"), ("登录", "the core's text stays")
    mo(package / "translations/en/LC_MESSAGES/messages.mo", *texts)
    return package


@pytest.fixture
def later(write_plugin: WritePlugin) -> Path:
    """A plugin that loads after ``pages`` and changes what it shows."""
    package = write_plugin("later", manifest='after = ["pages"]')
    put(package / "templates/pages/index.html", LATER)
    put(package / "static/pages/a.txt", "later")
    put(package / "static/keyun/favicon.svg", "<svg>later</svg>")
    mo(package / "translations/en/LC_MESSAGES/messages.mo", ("你好，%(name)s", "good day %(name)s"))
    return package


def instance_of(app: Flask) -> Path:
    site = app.extensions["keyun"]
    assert isinstance(site, Site)
    return site.runtime.instance


def toggled(app: Flask, *enabled: str) -> Browser:
    """The same instance with another set of plugins."""
    return browse(create_app(Site.open(app.extensions["keyun"].runtime, enabled)))


def text(client: Browser, path: str = "/pages/?lang=en") -> str:
    return client.get(path).get_data(as_text=True)


def test_a_later_plugin_replaces_a_template_and_reaches_the_original_until_it_is_off(
    make_app: MakeApp, pages: Path, later: Path
) -> None:
    app = make_app("later", "pages")
    page = text(browse(app))
    assert "<title>later" in page
    assert 'id="text"' in page
    assert "<title>page" in text(toggled(app, "pages"))
    assert "<title>later" in text(toggled(app, "later", "pages"))


def test_the_instance_replaces_what_a_plugin_replaced(make_app: MakeApp, pages: Path, later: Path) -> None:
    app = make_app("pages", "later")
    put(instance_of(app) / "templates/pages/index.html", OURS)
    for enabled in (("pages", "later"), ("pages",)):
        page = text(toggled(app, *enabled))
        assert "<title>ours" in page
        assert 'id="text"' in page


def test_a_broken_template_of_the_instance_is_named_and_the_original_serves(
    make_app: MakeApp, pages: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app("pages")
    put(instance_of(app) / "templates/pages/index.html", "<p>\n{% block %}")
    put(instance_of(app) / "templates/keyun/layout.html", "{{ oh no }}")
    assert "<title>page" in text(browse(app))
    assert "index.html, line 2" in caplog.text
    assert browse(app).get("/").status_code == 200


def test_a_later_plugin_changes_texts_of_a_plugin_but_not_of_the_core(
    make_app: MakeApp, pages: Path, later: Path
) -> None:
    app = make_app("later", "pages")
    assert "good day 李 Log in" in text(browse(app))
    assert "hello 李 Log in" in text(toggled(app, "pages"))


def test_the_instance_changes_any_text_in_both_languages(make_app: MakeApp, pages: Path, later: Path) -> None:
    app = make_app("pages", "later")
    place = instance_of(app) / "translations"
    english = po(("你好，%(name)s", "hi %(name)s"), ("登录", "come in"))
    put(place / "en/LC_MESSAGES/messages.po", english)
    put(place / "zh/LC_MESSAGES/messages.po", po(("登录", "进入"), ("页面", "专页")))
    for enabled in (("pages", "later"), ("pages",)):
        client = toggled(app, *enabled)
        assert "hi 李 come in" in text(client)
        assert "你好，李 进入" in text(client, "/pages/?lang=zh")
    assert "<title>专页" in text(client, "/pages/?lang=zh")
    put(place / "en/LC_MESSAGES/messages.po", po(("登录", "enter")))
    assert "good day 李 enter" in text(toggled(app, "pages", "later"))
    (place / "en/LC_MESSAGES/messages.po").unlink()
    assert "good day 李 Log in" in text(toggled(app, "pages", "later"))


def test_a_compiled_catalogue_alone_is_enough(make_app: MakeApp, pages: Path) -> None:
    app = make_app("pages")
    mo(instance_of(app) / "translations/en/LC_MESSAGES/messages.mo", ("登录", "come in"))
    assert "hello 李 come in" in text(toggled(app, "pages"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('msgid "登录"\nmsgstr "x"\n\n<<<<<<< mine\n', "line 4 is not understood"),
        (b"\xff\xfe\x00", "none of its texts is used"),
        (po(("你好，%(name)s", "hi %(nmae)s"), ("登录", "come in")), "placeholders"),
        (po(("你好，%(name)s", "hi %(name)"), ("登录", "come in")), "placeholders"),
        (po(("页面", "100% page"), ("登录", "come in")), "placeholders"),
    ],
)
def test_a_text_that_would_break_its_page_is_named_and_left_out(
    make_app: MakeApp, pages: Path, content: str | bytes, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app("pages")
    put(instance_of(app) / "translations/en/LC_MESSAGES/messages.po", content)
    page = text(toggled(app, "pages"))
    assert "<title>page" in page
    assert "hello 李" in page
    assert ("come in" in page) is (words == "placeholders")
    assert words in caplog.text


def test_static_files_are_replaced_by_later_plugins_and_by_the_instance(
    make_app: MakeApp, pages: Path, later: Path
) -> None:
    app = make_app("pages", "later")
    assert text(browse(app), "/static/pages/a.txt") == "later"
    assert text(browse(app), "/favicon.ico") == "<svg>later</svg>"
    assert text(toggled(app, "pages"), "/static/pages/a.txt") == "original"
    put(instance_of(app) / "static/pages/a.txt", "ours")
    assert text(toggled(app, "pages", "later"), "/static/pages/a.txt") == "ours"


def test_the_doctor_names_what_is_wrong_and_changes_nothing(
    make_instance: Callable[..., Path],
) -> None:
    place = make_instance()
    (place / "secret.key").chmod(0o600)
    put(place / "templates/keyun/home.html", "{% if %}")
    put(place / "templates/nobody/index.html", "fine")
    put(place / "translations/fr/LC_MESSAGES/messages.po", po())
    put(place / "translations/en/LC_MESSAGES/messages.po", po(("登录", "enter"), ("登陆", "enter")))
    done = CliRunner().invoke(cli, ["--instance", str(place), "doctor", "--json"])
    (found,) = (c for c in json.loads(done.stdout)["checks"] if c["check"] == "overrides")
    assert len(found["problems"]) == 3
    assert ["登陆" in n for n in found["notes"]] == [True]
    assert not (place / "run" / "translations").exists()
