"""Templates: whose comes first, nothing inline, everything translated; vendored files are what they say."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask

import keyun
from keyun.testing import browse

MakeApp = Callable[..., Flask]
CORE = Path(keyun.__file__).parent
INLINE = re.compile(
    r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)|hx-on|hx-vals=.js:", re.I
)
CHINESE = re.compile(r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]")
VALUES = re.compile(r"%\((\w+)\)[a-z]")
REMOTE = re.compile(
    r'(?:src|srcset|action)="(?:https?:)?//|<link[^>]+href="(?:https?:)?//|url\((?:https?:)?//', re.I
)


def packages() -> dict[str, Path]:
    """The core and every bundled plugin that is installed, by name; nothing is imported."""
    found = {"core": CORE}
    for point in entry_points(group="keyun.plugins"):
        spec = find_spec(point.module.partition(".")[0])
        bundled = point.dist is not None and point.dist.name == "keyun"
        if bundled and spec is not None and spec.origin is not None:
            found[point.name] = Path(spec.origin).parent
    return found


def texts(root: Path) -> Iterator[str]:
    """Every text for people in the code and the templates of a package."""
    mapping = [("testing/**", "ignore"), ("**.py", "python"), ("**/templates/**.html", "jinja2")]
    options = {"**/templates/**.html": {"trimmed": "true", "silent": "false"}}
    keywords = DEFAULT_KEYWORDS | {"lazy_gettext": None}
    for _file, _line, message, _comments, _context in extract_from_dir(root, mapping, options, keywords):
        yield message if isinstance(message, str) else message[0]


def catalogue(root: Path) -> Catalog:
    path = root / "translations" / "en" / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return Catalog("en")
    with path.open("rb") as file:
        return read_po(file, locale="en")


@pytest.mark.parametrize("name", packages())
def test_every_text_has_an_english_translation(name: str) -> None:
    known = catalogue(packages()[name])
    missing = sorted({t for t in texts(packages()[name]) if not (t in known and known[t].string)})
    assert missing == [], f"run `make translations` and fill in {name}"


@pytest.mark.parametrize("name", packages())
def test_every_text_is_chinese_and_its_translation_keeps_the_places_for_values(name: str) -> None:
    known = catalogue(packages()[name])
    for text in texts(packages()[name]):
        assert CHINESE.search(text), f"the source language is Chinese: {text!r}"
        said = str(known[text].string) if text in known else ""
        assert set(VALUES.findall(said)) == set(VALUES.findall(text)), text
        assert not CHINESE.search(said), text


@pytest.mark.parametrize("name", packages())
def test_the_compiled_catalogue_is_the_written_one(name: str) -> None:
    known = catalogue(packages()[name])
    if not len(known):
        pytest.skip(f"{name} has no texts")
    compiled = BytesIO()
    write_mo(compiled, known)
    path = packages()[name] / "translations" / "en" / "LC_MESSAGES" / "messages.mo"
    assert path.read_bytes() == compiled.getvalue(), f"run `make translations`: {path} is not up to date"


@pytest.mark.parametrize("name", packages())
def test_no_template_has_anything_inline_or_from_elsewhere(name: str) -> None:
    root = packages()[name]
    for path in [*root.glob("templates/**/*.html"), *root.glob("static/**/*.css")]:
        text = path.read_text(encoding="utf-8")
        wrong = INLINE.findall(text) if path.suffix == ".html" else []
        assert wrong + REMOTE.findall(text) == [], path


def test_vendored_files_are_what_they_say_and_bring_their_licence() -> None:
    folder = CORE / "static" / "keyun" / "vendor"
    listed = json.loads((folder / "vendor.json").read_text(encoding="utf-8"))
    for entry in listed:
        data = (folder / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"], entry["file"]
        assert entry["version"]
        assert entry["licence"]
        assert entry["package"]
        assert (folder / entry["file"].split(".")[0]).with_suffix(".LICENSE").is_file()
    others = {p.name for p in folder.iterdir() if p.suffix not in (".LICENSE", ".json")}
    assert others == {e["file"] for e in listed}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_instance_extends_a_page_of_a_plugin_and_of_the_core(make_app: MakeApp, notes: str) -> None:
    app = make_app(notes)
    templates = app.extensions["keyun"].runtime.instance / "templates"
    changed = {
        "notes/index.html": '{% extends "@notes/notes/index.html" %}{% block title %}ours{% endblock %}',
        "keyun/home.html": '{% extends "@core/keyun/home.html" %}{% block content %}hello{% endblock %}',
    }
    for name, text in changed.items():
        (templates / name).parent.mkdir(parents=True, exist_ok=True)
        (templates / name).write_text(text, encoding="utf-8")
    client = browse(app)
    assert "<title>ours" in client.get("/notes/").text
    assert "<h1>notes</h1>" in client.get("/notes/").text
    assert "hello" in client.get("/").text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_plugin_comes_before_the_core(make_app: MakeApp, notes: str, notes_package: Path) -> None:
    override = notes_package / "templates" / "keyun" / "error.html"
    override.parent.mkdir(parents=True, exist_ok=True)
    override.write_text("lost: {{ status }}", encoding="utf-8")
    try:
        assert browse(make_app(notes)).get("/nowhere").text == "lost: 404"
        assert browse(make_app()).get("/nowhere").text != "lost: 404"
    finally:
        override.unlink()
