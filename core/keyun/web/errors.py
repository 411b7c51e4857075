"""Error pages that help; the API answers its own errors."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Flask, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response

from keyun.errors import Forbidden, Invalid, KeyunError
from keyun.web.context import actor

log = logging.getLogger(__name__)
Answer = Response | tuple[str, int]


def is_api() -> bool:
    """Whether this request belongs to the API, which answers in JSON."""
    return request.path.startswith("/api/")


def mount(app: Flask) -> None:
    """Install the handlers of pages."""
    app.register_error_handler(KeyunError, keyun_error)
    app.register_error_handler(CSRFError, csrf_error)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected)


def keyun_error(error: KeyunError) -> Answer:
    """An expected refusal: its own words; a visitor is asked to log in first."""
    if isinstance(error, Forbidden) and not actor().is_user and request.method == "GET":
        flash(_("请先登录。"), "info")
        return redirect(url_for("account.login", next=request.full_path.rstrip("?")), 303)
    if isinstance(error, Invalid) and request.method == "POST" and request.referrer:
        # A small form without a page of its own: back to where it stood, with the reason.
        back = urlsplit(request.referrer)
        if back.netloc == request.host and back.path != request.path:
            flash(str(error), "danger")
            return redirect(back._replace(scheme="", netloc="").geturl(), 303)
    return page(str(error), error.status)


def csrf_error(error: CSRFError) -> Answer:
    """The form is too old or came from elsewhere."""
    return page(_("页面已过期或不是从本站提交，请返回刷新后重试。"), 400)


def http_error(error: HTTPException) -> Answer | HTTPException:
    """An error of the protocol, in words."""
    if error.code is None or error.code < 400:
        return error
    words = {
        404: _("没有找到这个页面，它可能已移走。"),
        405: _("这个地址不接受这种操作。"),
        413: _("提交的内容太大，请精简后再试。"),
        429: _("操作太频繁，请稍后再试。"),
    }
    return page(words.get(error.code, error.description or error.name), error.code)


def unexpected(error: Exception) -> Answer:
    """A fault of ours: logged with its traceback, shown with the number to quote."""
    log.exception("unexpected error on %s %s", request.method, request.path)
    return page(_("系统出错了，已记录。请稍后再试，或把下面的编号告诉管理员。"), InternalServerError.code or 500)


def page(text: str, status: int) -> tuple[str, int]:
    """The error page; nothing on it may fail again."""
    return render_template("keyun/error.html", text=text, status=status, request_id=g.get("request_id", "")), status
