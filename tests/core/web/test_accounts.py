"""People register, log in and out, and change what is theirs; nobody learns who else has an account."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from keyun.accounts import User, actor_for, grant_role, revoke_role
from keyun.accounts.passwords import hash_password
from keyun.errors import Forbidden
from keyun.testing import Browser, browse, make_organization, make_user
from keyun.web.login import is_local

MakeApp = Callable[..., Flask]
PERSON = {"login": "xiaoming", "name": "小明", "region": "511402", "password": "correct horse"}


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def visitor(app: Flask) -> Browser:
    client = browse(app)
    return client


def add_user(app: Flask, **values: object) -> User:
    with app.extensions["keyun"].writing() as unit:
        return make_user(unit, **values)  # type: ignore[arg-type]


def text(client: Browser, path: str) -> str:
    return client.get(path).get_data(as_text=True)


def test_a_visitor_registers_logs_out_and_logs_in_again(visitor: Browser) -> None:
    assert visitor.submit("/register", PERSON | {"email": ""}).location == "/"
    assert "小明" in text(visitor, "/")
    assert visitor.submit("/logout").status_code == 303
    assert "小明" not in text(visitor, "/")
    answer = visitor.submit("/login", {"login": "xiaoming", "password": "correct horse", "next": "/account"})
    assert answer.location == "/account"
    assert "小明" in text(visitor, "/account")


def test_every_log_in_that_fails_reads_the_same(app: Flask, visitor: Browser) -> None:
    add_user(app, login="open", password="long enough")
    add_user(app, login="closed", password="long enough", active=False)
    tries = [("open", "wrong one"), ("nobody", "wrong one"), ("closed", "long enough"), ("", "")]
    answers = [visitor.submit("/login", {"login": n, "password": p}) for n, p in tries]
    assert {a.status_code for a in answers} == {403}
    assert all("用户名或密码不对。" in a.get_data(as_text=True) for a in answers)


def test_a_refused_registration_keeps_what_was_typed_but_the_password(visitor: Browser) -> None:
    form = PERSON | {"login": "x", "password": "hush-hush-secret", "region": ""}
    answer = visitor.submit("/register", form)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'value="小明"' in page
    assert "hush-hush-secret" not in page
    assert 'aria-describedby="login-error' in page


def test_two_people_cannot_have_one_log_in_name(app: Flask, visitor: Browser) -> None:
    add_user(app, login="xiaoming")
    answer = visitor.submit("/register", PERSON)
    assert (answer.status_code, "已被使用" in answer.get_data(as_text=True)) == (422, True)


def test_an_account_that_is_closed_is_out_at_once(app: Flask, visitor: Browser) -> None:
    user = add_user(app, name="离职者")
    visitor.log_in(user)
    assert "离职者" in text(visitor, "/account")
    with app.extensions["keyun"].writing() as unit:
        unit.session.execute(sa.update(User).values(active=False))
    assert visitor.get("/account").location.startswith("/login?")


def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(app: Flask) -> None:
    user = add_user(app, login="li", password="first password")
    here, elsewhere = browse(app), browse(app)
    here.log_in(user)
    elsewhere.log_in(user)

    def change(old: str, new: str) -> int:
        return here.submit("/account/password", {"old": old, "new": new}).status_code

    assert change("wrong", "second password") == 422
    assert change("first password", "short") == 422
    assert change("first password", "second password") == 303
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 303
    assert here.submit("/login", {"login": "li", "password": "second password"}).status_code == 303


def test_a_log_in_starts_a_new_session(app: Flask, visitor: Browser) -> None:
    add_user(app, login="li", password="first password")
    with visitor.session_transaction() as session:
        session["planted"] = "by somebody else"
    visitor.submit("/login", {"login": "li", "password": "first password"})
    with visitor.session_transaction() as session:
        assert "planted" not in session


def test_the_account_page_explains_the_verification(app: Flask, visitor: Browser) -> None:
    with app.extensions["keyun"].writing() as unit:
        user = make_user(unit, level=0, organizations=[make_organization(unit, "示范合作社")])
    visitor.log_in(user)
    page = text(visitor, "/account")
    assert "示范合作社" in page
    assert "未认证" in page
    assert "核实手机号" in page


def test_the_profile_is_changed_and_a_bad_region_is_refused(app: Flask, visitor: Browser) -> None:
    visitor.log_in(add_user(app))
    assert visitor.submit("/account", {"name": "新名字", "region": "999999"}).status_code == 422
    assert visitor.submit("/account", {"name": "新名字", "region": "510100"}).status_code == 303
    page = text(visitor, "/account")
    assert "新名字" in page
    assert '<option value="510100" selected>' in page


def test_a_region_elsewhere_stays_chosen(app: Flask, visitor: Browser) -> None:
    visitor.log_in(add_user(app, region="110101"))
    assert '<option value="110101" lang="zh-CN" selected>北京市东城区</option>' in text(visitor, "/account")


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "\\\\evil.example",
     "/\t/evil.example", " /a", "evil.example", "", "/" + "a" * 3000, "/\n/evil.example"],
)  # fmt: skip
def test_after_the_log_in_nobody_is_led_to_another_site(address: str) -> None:
    assert not is_local(address)


def test_next_leads_to_pages_of_this_site_only(app: Flask, visitor: Browser) -> None:
    add_user(app, login="li", password="first password")
    form = {"login": "li", "password": "first password"}
    assert visitor.submit("/login", form | {"next": "https://evil.example/"}).location == "/"
    assert visitor.submit("/login", form | {"next": "/search?q=柑橘"}).location.startswith("/search?q=")


def test_too_many_log_ins_are_stopped_and_other_pages_are_not(make_app: MakeApp) -> None:
    visitor = browse(make_app(config={"web": {"login_limit": "2 per minute"}}))
    answers = [visitor.submit("/login", {"login": "nobody", "password": "x"}) for _ in range(3)]
    assert [a.status_code for a in answers] == [403, 403, 429]
    assert "操作太频繁" in answers[-1].get_data(as_text=True)
    assert visitor.get("/").status_code == 200


def test_who_guesses_the_password_of_an_open_session_is_stopped(make_app: MakeApp) -> None:
    app = make_app(config={"web": {"login_limit": "2 per minute"}})
    visitor = browse(app)
    visitor.log_in(add_user(app, login="xiaoming", password="correct horse"))
    form = {"old": "a guess", "new": "another horse"}
    answers = [visitor.submit("/account/password", form) for _ in range(3)]
    assert [a.status_code for a in answers] == [422, 422, 429]


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize("field", ["login", "email"])
def test_of_two_who_register_in_one_moment_the_second_is_told_what_is_taken(
    app: Flask, visitor: Browser, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    person = PERSON | {"email": "ming@example.org"}

    def slowly(password: str) -> str:
        add_user(app, **({"login": "other"} | {field: person[field]}))
        return hash_password(password)

    monkeypatch.setattr("keyun.accounts.services.hash_password", slowly)
    answer = visitor.submit("/register", person)
    assert answer.status_code == 422
    assert f'id="{field}-error">已被使用' in answer.text


def test_an_administrator_grants_and_takes_roles_in_his_region_only(app: Flask) -> None:
    with app.extensions["keyun"].writing() as unit:
        county = actor_for(make_user(unit, "county", roles=[("admin", "511421")]))
        pal = make_user(unit, "pal", roles=[("staff", "510000")])
        grant_role(county, unit, pal, "editor", "511421")
        for change in (grant_role, revoke_role):
            with pytest.raises(Forbidden):
                change(county, unit, pal, "staff", "510000")
        assert {(g.role, g.region) for g in pal.grants} == {("staff", "510000"), ("editor", "511421")}
        revoke_role(county, unit, pal, "editor", "511421")
