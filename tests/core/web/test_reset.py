"""Who forgot his password gets a link by mail: good once, for an hour; nobody learns who has an account."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from keyun.accounts import User
from keyun.jobs import JobRow, Worker
from keyun.site import Site
from keyun.testing import Clock, browse, make_user
from keyun.testing.mail import MailServer, mail_server

MakeApp = Callable[..., Flask]
LINK = re.compile(r"https://cloud\.example\.org(/account/reset\?token=\S+)")


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def app(make_app: MakeApp, server: MailServer) -> Flask:
    app = make_app(config={"mail": server.config, "site": {"url": "https://cloud.example.org"}})
    with app.extensions["keyun"].writing() as unit:
        make_user(unit, "li", email="li@example.org", password="first password")
        make_user(unit, "nomail", password="first password")
        make_user(unit, "closed", email="closed@example.org", active=False)
    return app


def site_of(app: Flask) -> Site:
    site = app.extensions["keyun"]
    assert isinstance(site, Site)
    return site


def ask(app: Flask, login: str) -> str:
    """Ask for a link the way a person does, and let the job run; returns the page that answers."""
    client = browse(app)
    answer = client.submit("/account/forgot", {"login": login}, follow_redirects=True)
    Worker(site_of(app)).drain()
    return re.sub(r'csrf_token" value="[^"]+"|<p class="small[^>]*>.*?</p>', "", answer.text)


def link(server: MailServer) -> str:
    found = LINK.search(server.received[-1].get_content())
    assert found is not None
    return found[1]


def token(path: str) -> str:
    return path.partition("token=")[2]


def test_a_link_sets_a_new_password_once(app: Flask, server: MailServer) -> None:
    here = browse(app)
    assert here.submit("/login", {"login": "li", "password": "first password"}).status_code == 303
    ask(app, "li@example.org")
    assert [m["To"] for m in server.received] == ["li@example.org"]
    client, path = browse(app), link(server)
    page = client.get(path)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    form = {"token": token(path), "password": "short"}
    assert client.submit("/account/reset", form).status_code == 422
    form["password"] = "second password"
    assert client.submit("/account/reset", form).location == "/login"
    assert client.submit("/account/reset", form | {"password": "third password"}).status_code == 403
    assert "链接已失效" in client.get(path).text
    assert here.get("/account").status_code == 303
    assert browse(app).submit("/login", {"login": "li", "password": "second password"}).status_code == 303


def test_every_name_gets_the_same_answer_and_only_an_owner_of_an_address_a_mail(
    app: Flask, server: MailServer
) -> None:
    answers = {ask(app, login) for login in ("li", "nomail", "closed", "nobody", "", "x" * 5000)}
    assert len(answers) == 1
    assert [m["To"] for m in server.received] == ["li@example.org"]


def test_asking_writes_the_same_row_whoever_is_asked_for(app: Flask) -> None:
    for login in ("li", "nobody"):
        browse(app).submit("/account/forgot", {"login": login})
    with site_of(app).reading() as unit:
        rows = unit.session.scalars(sa.select(JobRow)).all()
    assert sorted(r.payload["login"] for r in rows) == ["li", "nobody"]
    Worker(site_of(app)).drain()
    with site_of(app).reading() as unit:
        assert unit.session.scalars(sa.select(JobRow)).all() == []


@pytest.mark.parametrize("change", ["later", "address", "closed", "forged", "empty", "text"])
def test_a_link_that_is_old_forged_or_overtaken_opens_nothing(
    app: Flask, server: MailServer, clock: Clock, change: str
) -> None:
    ask(app, "li")
    path = link(server)
    if change == "later":
        clock.tick(dt.timedelta(minutes=61))
    with site_of(app).writing() as unit:
        changes: dict[str, dict[str, Any]] = {
            "address": {"email": "other@example.org"},
            "closed": {"active": False},
        }
        if change in changes:
            unit.session.execute(sa.update(User).where(User.login == "li").values(changes[change]))
    # Not the last letter: its lowest bits belong to no byte, so another letter may be the same token.
    forged = path[:-9] + ("x" if path[-9] != "x" else "y") + path[-8:]
    path = {"forged": forged, "empty": "/account/reset", "text": "/account/reset?token=%00x"}.get(
        change, path
    )
    client = browse(app)
    assert client.get(path).status_code == {"empty": 303, "text": 400}.get(change, 403)
    form = {"token": token(path), "password": "second password"}
    assert client.submit("/account/reset", form).status_code == (303 if change == "empty" else 403)
    with site_of(app).reading() as unit:
        assert unit.session.scalar(sa.select(sa.func.count()).where(User.password_hash.is_not(None))) == 2


def test_one_account_gets_only_so_many_links(app: Flask, server: MailServer, clock: Clock) -> None:
    for _ in range(5):
        ask(app, "li")
    assert len(server.received) == 3
    clock.tick(dt.timedelta(minutes=61))
    ask(app, "li")
    assert len(server.received) == 4


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("missing", ["mail", "site"])
def test_without_a_mail_server_or_an_address_of_the_site_nothing_is_promised(
    make_app: MakeApp, server: MailServer, missing: str
) -> None:
    config = {"mail": server.config, "site": {"url": "https://cloud.example.org"}}
    client = browse(make_app(config={k: v for k, v in config.items() if k != missing}))
    assert "/account/forgot" not in client.get("/login").text
    assert "请联系服务中心" in client.submit("/account/forgot", {"login": "li"}).text


def test_asking_again_and_again_is_stopped(make_app: MakeApp, server: MailServer) -> None:
    config = {"mail": server.config, "site": {"url": "https://a.cn"}, "web": {"login_limit": "2 per minute"}}
    client = browse(make_app(config=config))
    codes = [client.submit("/account/forgot", {"login": "li"}).status_code for _ in range(3)]
    assert codes == [303, 303, 429]


def test_the_switch_for_mail_is_there_when_mail_is_and_is_kept(app: Flask, make_app: MakeApp) -> None:
    with site_of(app).reading() as unit:
        user = unit.session.scalars(sa.select(User).where(User.login == "li")).one()
    client = browse(app)
    client.log_in(user)
    assert 'value="yes" checked' in client.get("/account").text
    assert client.submit("/account/mail").status_code == 303
    assert 'value="yes" checked' not in client.get("/account").text
    client.submit("/account/mail", {"wanted": "yes"})
    assert 'value="yes" checked' in client.get("/account").text
