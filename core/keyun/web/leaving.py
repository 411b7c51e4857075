"""One's own data: take all of it along, or close the account for good."""

from __future__ import annotations

import json

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.accounts import User, personal
from keyun.accounts.passwords import check_password
from keyun.errors import Forbidden, Invalid
from keyun.uow import UnitOfWork
from keyun.web.context import actor, reading, writing
from keyun.web.login import end

Answer = str | Response | tuple[str, int]


def blueprint() -> Blueprint:
    """``/account/data`` and ``/account/close``."""
    pages = Blueprint("leaving", __name__)
    pages.add_url_rule("/account/data", "data", data)
    pages.add_url_rule("/account/close", "close", close, methods=["GET", "POST"])
    return pages


def data() -> Response:
    """Everything about oneself, as one JSON file."""
    found = personal.export(actor(), reading(), _oneself(reading()))
    text = json.dumps(found, ensure_ascii=False, indent=2, default=str)
    answer = Response(text + "\n", mimetype="application/json")
    answer.headers["Content-Disposition"] = "attachment; filename=my-data.json"
    return answer


def close() -> Answer:
    """Explain what happens, ask for the password (or the name, where there is none), and do it."""
    user = _oneself(reading())
    if request.method == "GET":
        return _form(user, {})
    try:
        with writing() as unit:
            user = _oneself(unit)
            _confirmed(user)
            personal.erase(actor(), unit, user)
    except Invalid as e:
        return _form(user, e.fields), e.status
    end()
    flash(_("账号已注销，与您有关的数据已删除。"), "success")
    return redirect(url_for("home.index"), 303)


def _confirmed(user: User) -> None:
    if user.password_hash is None:
        right, words = request.form.get("proof", "") == user.login, _("请填写您的用户名。")
    else:
        right, words = check_password(user.password_hash, request.form.get("proof", "")), _("密码不对。")
    if not right:
        raise Invalid(words, {"proof": [words]})


def _form(user: User, errors: dict[str, list[str]]) -> str:
    return render_template("keyun/close.html", user=user, errors=errors)


def _oneself(unit: UnitOfWork) -> User:
    g.private_page = True
    if not actor().is_user:
        raise Forbidden(_("请先登录。"))
    return unit.session.get_one(User, actor().user_id)
