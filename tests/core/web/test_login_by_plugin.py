"""Another log-in: a plugin answers for whom it knows, and a broken one neither opens nor locks the door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from keyun.accounts import User
from keyun.errors import DatabaseError
from keyun.testing import Browser, browse, make_user

MakeApp = Callable[..., Flask]
WritePlugin = Callable[..., Path]
DIRECTORY = """
from keyun.access import system
from keyun.accounts import User, register
from keyun.errors import Forbidden
from keyun.plugins import Plugin, hookimpl
import secrets, sqlalchemy as sa

PEOPLE = {"wang@uni": "open sesame"}

class P(Plugin):
    @hookimpl
    def keyun_authenticate(self, identifier, secret):
        if not identifier.endswith("@uni"):
            return None
        if PEOPLE.get(identifier) != secret:
            raise Forbidden("the directory says no")
        with self.site.writing() as unit:
            name = identifier.replace("@", ".")
            user = unit.session.scalars(sa.select(User).where(User.login == name)).first()
            if user is None:
                data = {"login": name, "name": "王老师", "region": "510000", "password": secrets.token_hex()}
                user = register(system(), unit, data)
            return user
"""
BROKEN = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_authenticate(self, identifier, secret):
        {body}
"""
WRAPPER = """
from keyun.errors import Forbidden
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl(wrapper=True)
    def keyun_authenticate(self, identifier):
        {body}
"""


def log_in(client: Browser, login: str, password: str) -> int:
    return client.submit("/login", {"login": login, "password": password}).status_code


def add_admin(app: Flask, **more: Any) -> None:
    with app.extensions["keyun"].writing() as unit:
        make_user(unit, "admin", password="local password", roles=[("admin", "100000")], **more)


def test_a_plugin_lets_in_whom_it_knows_and_opens_the_account_once(
    make_app: MakeApp, write_plugin: WritePlugin
) -> None:
    write_plugin("directory", DIRECTORY)
    app = make_app("directory")
    add_admin(app)
    for _ in range(2):
        client = browse(app)
        assert log_in(client, " wang@uni ", "open sesame") == 303
        assert "王老师" in client.get("/account").text
    assert log_in(browse(app), "admin", "local password") == 303
    with app.extensions["keyun"].reading() as unit:
        assert unit.session.scalar(sa.select(sa.func.count()).select_from(User)) == 2


def test_every_refusal_reads_the_same_whoever_refuses(make_app: MakeApp, write_plugin: WritePlugin) -> None:
    write_plugin("directory", DIRECTORY)
    app = make_app("directory")
    add_admin(app)
    client = browse(app)
    tries = [
        ("wang@uni", "wrong"),
        ("nobody@uni", "wrong"),
        ("admin", "wrong"),
        ("nobody", "wrong"),
        ("", ""),
    ]
    pages = [client.submit("/login", {"login": n, "password": p}) for n, p in tries]
    assert {p.status_code for p in pages} == {403}
    assert all("用户名或密码不对。" in p.text and "directory" not in p.text for p in pages)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_refusal_by_a_plugin_costs_as_much_as_a_wrong_password(
    make_app: MakeApp, write_plugin: WritePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin("directory", DIRECTORY)
    app = make_app("directory")
    add_admin(app)
    hashed: list[object] = []

    def refuse(stored: str | None, password: str) -> bool:
        hashed.append(stored)
        return False

    monkeypatch.setattr("keyun.accounts.services.check_password", refuse)
    for login in ("wang@uni", "admin", "nobody"):
        log_in(browse(app), login, "wrong")
    assert len(hashed) == 3


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "body", ["raise RuntimeError(f'cannot bind {identifier} with {secret}')", "raise SystemExit(secret)"]
)
def test_a_broken_log_in_lets_nobody_in_keeps_secrets_and_leaves_local_passwords_alone(
    make_app: MakeApp, write_plugin: WritePlugin, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin("broken", BROKEN.format(body=body))
    app = make_app("broken")
    add_admin(app)
    assert log_in(browse(app), "somebody", "hush-hush-secret") == 403
    assert log_in(browse(app), "admin", "local password") == 303
    assert "plugin broken failed in keyun_authenticate" in caplog.text
    assert "hush-hush-secret" not in caplog.text
    assert "local password" not in caplog.text


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("body", ["return User(login='ghost')", "return closed(self)"])
def test_nobody_comes_in_by_an_account_that_is_closed_or_was_never_stored(
    make_app: MakeApp, write_plugin: WritePlugin, body: str
) -> None:
    code = BROKEN.format(body=body) + (
        "\nfrom keyun.accounts import User\nimport sqlalchemy as sa\n"
        "def closed(self):\n    with self.site.reading() as unit:\n"
        "        return unit.session.scalars(sa.select(User)).first()\n"
    )
    write_plugin("odd", code)
    app = make_app("odd")
    add_admin(app, active=False)
    assert log_in(browse(app), "whoever", "whatever") == 403


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("user = yield; return user", 303),
        ("yield; raise Forbidden('not at night')", 403),
        ("yield; raise RuntimeError('the clock is broken')", 403),
    ],
)
def test_a_wrapper_adds_a_condition_and_a_broken_one_refuses(
    make_app: MakeApp,
    write_plugin: WritePlugin,
    body: str,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_plugin("guard", WRAPPER.format(body=body))
    app = make_app("guard")
    add_admin(app)
    assert log_in(browse(app), "admin", "local password") == status
    assert ("plugin guard failed in its wrapper" in caplog.text) is ("RuntimeError" in body)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_database_that_fails_is_no_wrong_password(
    make_app: MakeApp, write_plugin: WritePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin("broken", BROKEN.format(body="raise RuntimeError"))
    app = make_app("broken")

    def locked(*_: object) -> None:
        raise DatabaseError("locked")

    monkeypatch.setattr("keyun.defaults.by_password", locked)
    assert log_in(browse(app), "admin", "local password") == 503
