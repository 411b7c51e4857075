"""A forgotten password: ask for a link by mail, and use it. Every name gets the same answer."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.accounts import reset
from keyun.errors import Forbidden, Invalid
from keyun.web.context import reading, site, writing
from keyun.web.login import end

Answer = str | Response | tuple[str, int]


def blueprint() -> Blueprint:
    """``/account/forgot`` and ``/account/reset``."""
    pages = Blueprint("password", __name__)
    pages.add_url_rule("/account/forgot", "ask", ask, methods=["GET", "POST"])
    pages.add_url_rule("/account/reset", "reset", reset_page, methods=["GET", "POST"])
    return pages


def ask() -> Answer:
    """Ask for a link; whether anybody is called so is not told."""
    if request.method == "GET" or not reset.available(site()):
        return render_template("keyun/forgot.html", available=reset.available(site()))
    with writing() as unit:
        reset.ask(unit, request.form.get("login", ""))
    minutes = int(reset.GOOD_FOR.total_seconds() // 60)
    flash(_("如果有这个账号并且登记了邮箱，重设密码的邮件正在路上，%(n)d 分钟内有效。", n=minutes), "info")
    return redirect(url_for("account.login"), 303)


def reset_page() -> Answer:
    """Set a new password with the link."""
    # The address is a key: no cache keeps the page, no other page is told where one came from.
    g.private_page = True
    token = request.values.get("token", "")
    if not token:
        return redirect(url_for(".ask"), 303)
    try:
        user = reset.owner(reading(), token)
        if request.method == "GET":
            return _form(token, user.login, {})
        with writing() as unit:
            reset.reset(unit, token, request.form.get("password", ""))
    except Forbidden as e:
        return render_template("keyun/forgot.html", available=reset.available(site()), error=str(e)), e.status
    except Invalid as e:
        return _form(token, user.login, e.fields), e.status
    end()
    flash(_("密码已修改，请登录。其他设备上的登录已失效。"), "success")
    return redirect(url_for("account.login"), 303)


def _form(token: str, login: str, errors: dict[str, list[str]]) -> str:
    return render_template("keyun/reset.html", token=token, login=login, errors=errors)
