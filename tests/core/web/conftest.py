"""A plugin that brings notes: a page, a menu entry, a content type, pieces of pages, and its own files."""

from __future__ import annotations

import functools
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import argon2
import pytest

CODE = """
from flask import Blueprint, render_template
from flask_babel import lazy_gettext as _
from markupsafe import Markup
from keyun.access import public
from keyun.content import Content, ContentType, find
from keyun.forms import Form, RegionCode, Text
from keyun.plugins import Fragment, MenuItem, Plugin, hookimpl
from keyun.web.context import actor, reading

class Note(Content):
    __mapper_args__ = {"polymorphic_identity": "notes.note"}

class NoteSchema(Form):
    title = Text("标题", 120, least=1)
    body = Text("正文", 2000)
    region = RegionCode(required=True)

TYPE = ContentType("notes.note", Note, NoteSchema, "notes.note", "笔记", "note")

class P(Plugin):
    @hookimpl
    def keyun_blueprints(self):
        pages = Blueprint("notes", __name__)
        @pages.get("/")
        @public
        def index():
            return render_template("notes/index.html", text="<script>alert(1)</script>")
        @pages.get("/boom")
        @public
        def boom():
            raise RuntimeError("the word is rosebud")
        @pages.get("/<public_id>")
        @public
        def note(public_id):
            return find(actor(), reading(), Note, public_id).title
        return [pages]
    @hookimpl
    def keyun_menu(self, actor):
        return [MenuItem("notes.index", _("笔记")), MenuItem("notes.nowhere", "?")]
    @hookimpl
    def keyun_fragment(self, place, context):
        if place == "home":
            yield Fragment(Markup("<p>second</p>"), 60)
            yield Fragment(Markup("<p>first</p>"), 40)
    @hookimpl
    def keyun_content_types(self):
        return [TYPE]
    @hookimpl
    def keyun_permissions(self):
        return TYPE.permissions()
"""
PAGE = """\
{% extends "keyun/layout.html" %}{% block title %}notes{% endblock %}
{% block content %}
<h1>notes</h1><p>{{ text }}</p><img src="{{ static_url('notes', 'a/dot.svg') }}" alt="">
{% endblock %}
"""


@pytest.fixture(scope="session")
def notes_package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The plugin as an installed distribution; its tables and classes live as long as the process."""
    site = tmp_path_factory.mktemp("notes-site")
    package = site / "fixture_web_notes"
    files = {
        "__init__.py": "",
        "plugin.py": textwrap.dedent(CODE),
        "plugin.toml": '[plugin]\nname = "notes"\napi = ">=1.0,<2"\n',
        "templates/notes/index.html": PAGE,
        "static/notes/a/dot.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
    }
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    info = site / "fixture_web_notes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fixture-web-notes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[keyun.plugins]\nnotes = fixture_web_notes.plugin:P\n")
    sys.path.insert(0, str(site))
    yield package
    sys.path.remove(str(site))


@pytest.fixture
def notes(notes_package: Path) -> str:
    """The name of the notes plugin, installed."""
    return "notes"


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with the least work, so that logging in costs a test nothing."""
    quick = functools.partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("keyun.accounts.passwords.PasswordHasher", quick)
