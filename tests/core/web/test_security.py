"""What every answer carries, and what every request must bring along."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask, request

from keyun import logs
from keyun.access import system
from keyun.accounts import create_token
from keyun.testing import Browser, browse, make_user
from keyun.web.context import actor

MakeApp = Callable[..., Flask]
PATHS = (
    "/", "/login", "/register", "/search?q=x", "/account", "/nowhere", "/healthz", "/readyz", "/api/v1/docs",
    "/api/v1/nowhere", "/static/keyun/keyun.css", "/static/keyun/nothing.css",
)  # fmt: skip
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_every_answer_is_locked_down(client: Browser, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert len(headers["X-Request-Id"]) >= 8


def test_a_form_without_a_token_gets_help_and_changes_nothing(client: Browser) -> None:
    form = {"login": "xiaoming", "name": "x", "region": "511402", "password": "12345678"}
    answer = client.post("/register", data=form)
    assert answer.status_code == 400
    assert "页面已过期" in answer.get_data(as_text=True)
    assert client.get("/account").status_code == 303


def test_the_token_of_one_session_is_worth_nothing_in_another(make_app: MakeApp) -> None:
    app = make_app()
    mine, yours = browse(app), browse(app)
    yours.csrf_token()
    assert yours.post("/login", data={"csrf_token": mine.csrf_token(), "login": "x"}).status_code == 400


def test_a_request_with_a_key_needs_no_token(make_app: MakeApp) -> None:
    app = make_app()
    app.add_url_rule("/who", "who", lambda: actor().login, methods=["POST"])
    with app.extensions["keyun"].writing() as unit:
        user = make_user(unit, "robot")
        key = create_token(system(), unit, user, "test")
    client = browse(app)
    assert client.post("/who", headers={"Authorization": f"Bearer {key}"}).text == "robot"
    assert client.post("/who").status_code == 400
    assert client.post("/who", headers={"Authorization": "Bearer keyun_wrong"}).status_code == 401


def test_a_key_and_a_cookie_together_count_as_the_key(make_app: MakeApp) -> None:
    app = make_app()
    app.add_url_rule("/who", "who", lambda: actor().login)
    with app.extensions["keyun"].writing() as unit:
        robot, person = make_user(unit, "robot"), make_user(unit, "person")
        key = create_token(system(), unit, robot, "test")
    client = browse(app)
    client.log_in(person)
    assert client.get("/who").text == "person"
    assert client.get("/who", headers={"Authorization": f"Bearer {key}"}).text == "robot"


def test_a_sane_request_id_is_kept_and_another_replaced(client: Browser) -> None:
    def sent(value: str) -> str:
        return client.get("/healthz", headers={"X-Request-Id": value}).headers["X-Request-Id"]

    assert sent("trace-0123456789") == "trace-0123456789"
    for bad in ("short", "a" * 65, "with space 12345", "<script>alert(1)"):
        assert sent(bad) != bad


def test_a_fault_shows_its_number_and_nothing_else_and_the_log_has_the_rest(
    make_app: MakeApp, notes: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = browse(make_app(notes))
    with caplog.at_level(logging.ERROR):
        answer = client.get("/notes/boom", headers={"X-Request-Id": "find-me-in-the-log"})
        assert logs.CONTEXT.get() == "find-me-in-the-log"
    page = answer.get_data(as_text=True)
    assert answer.status_code == 500
    assert "find-me-in-the-log" in page
    assert "rosebud" not in page
    assert "RuntimeError" not in page
    assert "the word is rosebud" in caplog.text


def test_an_error_page_appears_even_when_the_template_is_broken(make_app: MakeApp) -> None:
    app = make_app()
    templates = app.extensions["keyun"].runtime.instance / "templates" / "keyun"
    templates.mkdir(parents=True)
    (templates / "layout.html").write_text("{{ nothing.at.all }}")
    answer = browse(app).get("/nowhere", headers={"X-Request-Id": "number-to-quote"})
    assert answer.status_code == 404
    assert "number-to-quote" in answer.get_data(as_text=True)


def test_a_body_that_is_too_large_is_refused(client: Browser) -> None:
    answer = client.submit("/login", {"login": "x" * (3 * 1024 * 1024), "password": "y"})
    assert answer.status_code == 413
    assert "太大" in answer.get_data(as_text=True)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"login=%ff%fe&password=%00", b"a=" + b"&" * 5000])
def test_a_body_that_makes_no_sense_is_refused_without_a_fault(client: Browser, body: bytes) -> None:
    token = client.csrf_token()
    for kind in (FORM, "multipart/form-data; boundary=x", "application/json", "nonsense"):
        answer = client.post("/login", data=body, content_type=kind, headers={"X-CSRFToken": token})
        assert answer.status_code in (400, 403, 413)


def test_a_nul_anywhere_is_refused_without_a_fault(make_app: MakeApp, notes: str) -> None:
    client = browse(make_app(notes))
    assert client.submit("/login", {"login": "a\x00b", "password": "x"}).status_code == 400
    assert client.submit("/register", {"login": "abc", "name": "a\x00b"}).status_code == 400
    assert client.get("/notes/a%00b").status_code == 400
    assert client.get("/search?q=%00").status_code == 400


def test_a_method_that_does_not_fit_names_those_that_do(client: Browser) -> None:
    answer = client.get("/logout")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_cookies_are_out_of_reach_for_scripts_and_other_sites(make_app: MakeApp) -> None:
    client = browse(make_app(config={"web": {"secure_cookies": True}}))
    cookie = client.get("/login", base_url="https://localhost").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" in cookie


def test_the_address_of_a_visitor_comes_from_the_proxy_only_when_there_is_one(make_app: MakeApp) -> None:
    def seen(proxies: int) -> str:
        app = make_app(config={"web": {"proxies": proxies}})
        app.add_url_rule("/me", "me", lambda: str(request.remote_addr))
        return browse(app).get("/me", headers={"X-Forwarded-For": "203.0.113.9"}).text

    assert seen(0) == "127.0.0.1"
    assert seen(1) == "203.0.113.9"


def test_what_only_one_person_may_see_is_never_stored(make_app: MakeApp) -> None:
    app = make_app()
    client = browse(app)
    with app.extensions["keyun"].writing() as unit:
        client.log_in(make_user(unit))
    assert client.get("/account").headers["Cache-Control"] == "no-store"
    assert client.get("/").headers["Cache-Control"] == "private, no-cache"
    assert "max-age=31536000" in client.get("/static/keyun/keyun.css?v=1").headers["Cache-Control"]


def test_a_log_in_outlives_a_restart(make_app: MakeApp, make_site: Callable[..., object]) -> None:
    app = make_app()
    client = browse(app)
    site = app.extensions["keyun"]
    with site.writing() as unit:
        client.log_in(make_user(unit, name="还在登录"))
    cookie = client.get_cookie("keyun")
    assert cookie is not None
    again = browse(make_app(site=make_site(instance=site.runtime.instance)))
    again.set_cookie("keyun", cookie.value)
    assert "还在登录" in again.get("/").get_data(as_text=True)


def test_a_fault_of_the_database_leaves_no_values_in_the_log(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    site, values = app.extensions["keyun"], {"name": "rosebud"}

    def fail() -> str:
        with site.writing() as unit:
            unit.session.execute(sa.text("SELECT :name FROM nowhere"), values)
        return ""

    app.add_url_rule("/fail", "fail", fail)
    app.testing = False
    with caplog.at_level(logging.ERROR):
        assert browse(app).get("/fail").status_code >= 500
    assert "nowhere" in caplog.text
    assert "rosebud" not in caplog.text
