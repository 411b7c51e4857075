"""Register, log in and out, one's own account."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.accounts import User, authenticate, change_profile, register, set_password
from keyun.accounts.passwords import check_password
from keyun.errors import Forbidden, Invalid
from keyun.web.context import actor, reading, writing

Answer = str | Response | tuple[str, int]


def blueprint() -> Blueprint:
    """Account pages."""
    pages = Blueprint("account", __name__)
    pages.add_url_rule("/register", "register", register_page, methods=["GET", "POST"])
    pages.add_url_rule("/login", "login", login, methods=["GET", "POST"])
    pages.add_url_rule("/logout", "logout", logout, methods=["POST"])
    pages.add_url_rule("/account", "show", show, methods=["GET", "POST"])
    pages.add_url_rule("/account/password", "password", password, methods=["POST"])
    return pages


def register_page() -> Answer:
    """Open an account and log in."""
    if request.method == "GET":
        return render_template("keyun/register.html", values={}, errors={}, next=_next())
    try:
        with writing() as unit:
            user = register(actor(), unit, request.form.to_dict())
    except Invalid as e:
        values = {k: v for k, v in request.form.items() if k != "password"}
        page = render_template("keyun/register.html", values=values, errors=e.fields, next=_next())
        return page, e.status
    _begin(user.id)
    flash(_("注册成功。完成手机认证后即可发布内容，请联系服务中心。"), "success")
    return redirect(_next(), 303)


def login() -> Answer:
    """Log in with name, e-mail or phone."""
    if request.method == "GET":
        return render_template("keyun/login.html", login="", next=_next())
    name = request.form.get("login", "")
    try:
        user = authenticate(reading(), name, request.form.get("password", ""))
    except Forbidden as e:
        return render_template("keyun/login.html", login=name[:254], next=_next(), error=str(e)), 403
    _begin(user.id)
    return redirect(_next(), 303)


def logout() -> Response:
    """End the session."""
    session.clear()
    return redirect(url_for("home.index"), 303)


def show() -> Answer:
    """One's own account."""
    g.private_page = True
    if not actor().is_user:
        raise Forbidden(_("请先登录。"))
    if request.method == "GET":
        user = reading().session.get_one(User, actor().user_id)
        return render_template("keyun/account.html", user=user, values=_values(user), errors={})
    try:
        with writing() as unit:
            user = unit.session.get_one(User, actor().user_id)
            change_profile(actor(), unit, user, request.form.to_dict())
    except Invalid as e:
        user = reading().session.get_one(User, actor().user_id)
        page = render_template("keyun/account.html", user=user, values=request.form.to_dict(), errors=e.fields)
        return page, e.status
    flash(_("已保存。"), "success")
    return redirect(url_for(".show"), 303)


def password() -> Response:
    """Change one's password; the old one is asked for."""
    if not actor().is_user:
        raise Forbidden(_("请先登录。"))
    with writing() as unit:
        user = unit.session.scalars(sa.select(User).where(User.id == actor().user_id)).one()
        if not check_password(user.password_hash, request.form.get("old", "")):
            raise Invalid(_("原密码不对。"), {"old": [_("原密码不对。")]})
        set_password(actor(), unit, user, request.form.get("new", ""))
    flash(_("密码已修改。"), "success")
    return redirect(url_for(".show"), 303)


def _begin(user_id: int) -> None:
    """Start a new session, so that one planted before the log-in is worth nothing."""
    session.clear()
    session["_user_id"] = str(user_id)
    session.permanent = True


def _next() -> str:
    """Where to go afterwards: a page of this site, never another one."""
    asked = request.values.get("next", "")
    parts = urlsplit(asked)
    local = asked.startswith("/") and not asked.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return asked if local and asked.isprintable() else url_for("home.index")


def _values(user: User) -> dict[str, Any]:
    return {"name": user.name, "region": user.region}
