"""Register, log in and out, one's own account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.accounts import User, authenticate, change_profile, register, set_password, want_mail
from keyun.accounts.passwords import check_password
from keyun.accounts.reset import available
from keyun.errors import Forbidden, Invalid
from keyun.messages import can_send
from keyun.uow import UnitOfWork
from keyun.web.context import actor, close_reading, reading, site, writing
from keyun.web.login import begin, end, next_url

Answer = str | Response | tuple[str, int]
Errors = Mapping[str, list[str]]


def blueprint() -> Blueprint:
    """Account pages."""
    pages = Blueprint("account", __name__)
    pages.add_url_rule("/register", "register", register_page, methods=["GET", "POST"])
    pages.add_url_rule("/login", "login", login, methods=["GET", "POST"])
    pages.add_url_rule("/logout", "logout", logout, methods=["POST"])
    pages.add_url_rule("/account", "show", show, methods=["GET", "POST"])
    pages.add_url_rule("/account/password", "password", password, methods=["POST"])
    pages.add_url_rule("/account/mail", "mail", mail, methods=["POST"])
    return pages


def register_page() -> Answer:
    """Open an account and log in."""
    if request.method == "GET":
        return render_template("keyun/register.html", values={}, errors={}, next=next_url())
    try:
        with writing() as unit:
            user = register(actor(), unit, _form())
    except Invalid as e:
        page = render_template("keyun/register.html", values=_typed(), errors=e.fields, next=next_url())
        return page, e.status
    begin(user)
    flash(_("注册成功。完成手机认证后即可发布内容，请联系服务中心。"), "success")
    return redirect(next_url(), 303)


def login() -> Answer:
    """Log in with name, e-mail or phone."""
    if request.method == "GET":
        return render_template("keyun/login.html", login="", next=next_url(), can_reset=available(site()))
    name = request.form.get("login", "")
    try:
        # A plugin may open the account while it is asked, so nothing older may be read here.
        close_reading()
        user = authenticate(reading(), name, request.form.get("password", ""))
    except Forbidden as e:
        page = render_template(
            "keyun/login.html",
            login=name[:254],
            next=next_url(),
            error=str(e),
            can_reset=available(site()),
        )
        return page, e.status
    begin(user)
    return redirect(next_url(), 303)


def logout() -> Response:
    """End the session."""
    end()
    flash(_("已退出登录。"), "info")
    return redirect(url_for("home.index"), 303)


def show() -> Answer:
    """One's own account."""
    _only_users()
    if request.method == "GET":
        return _account()
    try:
        with writing() as unit:
            change_profile(actor(), unit, _oneself(unit), _form())
    except Invalid as e:
        return _account(_typed(), e.fields), e.status
    flash(_("已保存。"), "success")
    return redirect(url_for(".show"), 303)


def password() -> Answer:
    """Change one's password; the old one is asked for, and every other session ends."""
    _only_users()
    try:
        with writing() as unit:
            user = _oneself(unit)
            if not check_password(user.password_hash, request.form.get("old", "")):
                raise Invalid(_("原密码不对。"), {"old": [_("原密码不对。")]})
            set_password(actor(), unit, user, request.form.get("new", ""))
    except Invalid as e:
        errors = {"new" if field == "password" else field: texts for field, texts in e.fields.items()}
        return _account(errors=errors), e.status
    begin(user)
    flash(_("密码已修改，其他设备上的登录已失效。"), "success")
    return redirect(url_for(".show"), 303)


def mail() -> Response:
    """Say whether one wants to be told by e-mail what happened."""
    _only_users()
    with writing() as unit:
        want_mail(actor(), unit, _oneself(unit), request.form.get("wanted") == "yes")
    flash(_("已保存。"), "success")
    return redirect(url_for(".show"), 303)


def _account(values: Mapping[str, Any] | None = None, errors: Errors | None = None) -> str:
    user = _oneself(reading())
    shown = values if values is not None else {"name": user.name, "region": user.region}
    return render_template(
        "keyun/account.html", user=user, values=shown, errors=errors or {}, has_mail=can_send(site())
    )


def _oneself(unit: UnitOfWork) -> User:
    return unit.session.get_one(User, actor().user_id)


def _only_users() -> None:
    g.private_page = True
    if not actor().is_user:
        raise Forbidden(_("请先登录。"))


def _form() -> dict[str, object]:
    return dict(request.form.items())


def _typed() -> dict[str, str]:
    """What was typed, for showing the form again; a password is never sent back."""
    return {k: v for k, v in request.form.items() if k not in ("password", "old", "new")}
