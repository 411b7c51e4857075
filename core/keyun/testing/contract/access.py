"""Pages and API: marked, answering, safe, complete."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from functools import cache

from flask import Flask
from werkzeug.routing import Rule

from keyun.access import PUBLIC
from keyun.testing.clients import Browser, browse
from keyun.testing.contract.page import Page, read
from keyun.testing.contract.report import Problem
from keyun.testing.contract.subject import Subject
from keyun.testing.factories import make_user

#: The whole country, so that the administrator of the suite may do everything.
EVERYWHERE = "100000"


def _rules(s: Subject) -> Iterator[Rule]:
    for rule in s.app.url_map.iter_rules():
        head = rule.endpoint.partition(".")[0]
        if head.partition("-")[0] == s.slot and not rule.endpoint.endswith(".static"):
            yield rule


def _is_api(rule: Rule) -> bool:
    return rule.rule.startswith("/api/")


@cache
def _browsers(app: Flask) -> dict[str, Browser]:
    """A visitor, a user and an administrator, made once for each application."""
    found = {"visitor": browse(app)}
    site = app.extensions["keyun"]
    for who, roles in (("user", []), ("administrator", [("admin", EVERYWHERE)])):
        with site.writing() as unit:
            user = make_user(unit, f"contract-{who}", level=3, roles=roles)
        found[who] = browse(app)
        found[who].log_in(user)
    return found


def views_require_known_permissions(s: Subject) -> Iterator[Problem]:
    """@requires names a declared permission; nobody holds another one."""
    for rule in _rules(s):
        mark = getattr(s.app.view_functions[rule.endpoint], "keyun_access", PUBLIC)
        if mark != PUBLIC and mark not in s.site.access.permissions:
            yield Problem(rule.endpoint, f"it requires {mark}, which nobody declares", "declare it")


def views_described(s: Subject) -> Iterator[Problem]:
    """Every view has a docstring."""
    for endpoint in sorted({r.endpoint for r in _rules(s)}):
        if not (s.app.view_functions[endpoint].__doc__ or "").strip():
            yield Problem(endpoint, "the view has no docstring", "say what it shows")


def changes_need_post(s: Subject) -> Iterator[Problem]:
    """A view whose name says that it changes something answers no GET alone."""
    verbs = re.compile(r"(delete|remove|withdraw|publish|approve|reject|revoke)$")
    for rule in _rules(s):
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if verbs.search(rule.endpoint) and methods == {"GET"}:
            yield Problem(rule.endpoint, "it changes something by GET", 'use methods=["POST"]')


def pages_answer(s: Subject) -> Iterator[Problem]:
    """Every page and operation without parameters answers visitor, user and administrator without a fault."""
    for rule in _rules(s):
        if "GET" in (rule.methods or ()) and not rule.arguments:
            yield from _ask(s, rule.rule)


def pages_answer_for_nothing(s: Subject) -> Iterator[Problem]:
    """Every page and operation of one item answers for an item that is not there without a fault."""
    for rule in _rules(s):
        if "GET" in (rule.methods or ()) and rule.arguments:
            values = {a: _sample(rule, a) for a in rule.arguments}
            with s.app.test_request_context():
                adapter = s.app.url_map.bind("localhost")
                yield from _ask(s, adapter.build(rule.endpoint, values))


def _sample(rule: Rule, argument: str) -> object:
    """A well-formed value that belongs to nothing; for a list of words, one of them."""
    converter = rule._converters[argument]
    values = {"UUIDConverter": uuid.UUID(int=4), "IntegerConverter": 4, "FloatConverter": 4.0}
    words = sorted(getattr(converter, "items", ()))
    return words[0] if words else values.get(type(converter).__name__, "4")


def _ask(s: Subject, path: str) -> Iterator[Problem]:
    for who, browser in _browsers(s.app).items():
        answer = browser.get(path)
        if answer.status_code >= 500:
            yield Problem(
                path, f"{answer.status_code} for a {who}", "open it with the server running and read the log"
            )


@cache
def pages(app: Flask, slot: str, language: str) -> dict[str, Page]:
    """What an administrator sees at every page without parameters, read once."""
    found = {}
    for rule in app.url_map.iter_rules():
        own = rule.endpoint.partition(".")[0].partition("-")[0] == slot and not _is_api(rule)
        if own and "GET" in (rule.methods or ()) and not rule.arguments:
            answer = _browsers(app)["administrator"].get(f"{rule.rule}?lang={language}")
            if answer.status_code < 300 and answer.mimetype == "text/html":
                found[rule.rule] = read(answer.get_data(as_text=True))
    return found


def pages_have_one_heading(s: Subject) -> Iterator[Problem]:
    """Every page has a title and exactly one h1."""
    for path, page in pages(s.app, s.slot, "zh").items():
        if page.headings.count("h1") != 1:
            yield Problem(path, f"{page.headings.count('h1')} h1", "write one h1 in the block content")
        if not page.title.partition("·")[0].strip():
            yield Problem(path, "no title", "fill the block title")


def pages_label_their_fields(s: Subject) -> Iterator[Problem]:
    """Every field of a form has a label, every picture a text."""
    for path, page in pages(s.app, s.slot, "zh").items():
        for name in page.unlabelled:
            yield Problem(path, f"{name} has no label", 'add <label for="…">, aria-label or alt')


def pages_guard_their_forms(s: Subject) -> Iterator[Problem]:
    """Every form that posts carries the CSRF token."""
    for path, page in pages(s.app, s.slot, "zh").items():
        if page.unguarded:
            yield Problem(path, f"{page.unguarded} form(s) without a token", "put {{ csrf() }} into the form")


def pages_are_english_in_english(s: Subject) -> Iterator[Problem]:
    """A page in English shows no Chinese but in elements that say lang="zh-CN"."""
    for path, page in pages(s.app, s.slot, "en").items():
        for text in page.foreign[:3]:
            yield Problem(f"{path}?lang=en", f"{text!r} is Chinese", "translate it with _() or mark its lang")


def menu_leads_somewhere(s: Subject) -> Iterator[Problem]:
    """Menu entries lead to pages, and visitors are shown none that refuses them."""
    from keyun.access import anonymous, system

    for who, actor in (("visitor", anonymous()), ("system", system())):
        with s.app.test_request_context():
            entries = getattr(s.plugin, "keyun_menu", lambda actor: ())(actor=actor) or ()
            names = [e.endpoint for e in entries]
        for name in names:
            view = s.app.view_functions.get(name)
            if view is None:
                yield Problem("keyun_menu", f"{name} is no page", "correct the endpoint")
            elif who == "visitor" and getattr(view, "keyun_access", PUBLIC) != PUBLIC:
                yield Problem("keyun_menu", f"{name} refuses visitors but is shown to them", "look at actor")


def api_described(s: Subject) -> Iterator[Problem]:
    """Every operation of the API has a summary in both languages and a schema for its answer."""
    spec = _browsers(s.app)["visitor"].get("/api/v1/openapi.json").get_json()
    for path, methods in spec["paths"].items():
        if not path.startswith(f"/api/v1/{s.slot}/"):
            continue
        for method, operation in methods.items():
            if method == "parameters":
                continue
            where = f"{method.upper()} {path}"
            if " / " not in operation.get("summary", ""):
                yield Problem(where, "no summary 「中文 / English」", "give it to operation(…)")
            good = [a for code, a in operation.get("responses", {}).items() if code.startswith("2")]
            if not any(a.get("content") for a in good) and "204" not in operation.get("responses", {}):
                yield Problem(where, "no schema of the answer", "give it to operation(…)")


LIVE = (
    views_require_known_permissions, views_described, changes_need_post,
    pages_answer, pages_answer_for_nothing, pages_have_one_heading, pages_label_their_fields,
    pages_guard_their_forms, pages_are_english_in_english, menu_leads_somewhere, api_described,
)  # fmt: skip
