"""Error pages that help; the API answers its own errors."""

from __future__ import annotations

import logging

from flask import Flask, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from markupsafe import escape
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from keyun.errors import DatabaseError, Forbidden, KeyunError
from keyun.web.context import actor

log = logging.getLogger(__name__)
Answer = Response | tuple[str, int] | tuple[str, int, dict[str, str]]
#: Headers of an HTTP error that belong to its answer.
KEPT = ("Allow", "Retry-After")


def is_api() -> bool:
    """Whether this request belongs to the API, which answers in JSON."""
    return request.path.startswith("/api/")


def mount(app: Flask) -> None:
    """Install the handlers of pages; ``keyun.api`` puts its own in front of them for ``/api/``."""
    app.register_error_handler(KeyunError, keyun_error)
    app.register_error_handler(CSRFError, csrf_error)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected)


def keyun_error(error: KeyunError) -> Answer:
    """An expected refusal: its own words; a visitor is asked to log in first."""
    if isinstance(error, Forbidden) and not actor().is_user and request.method == "GET":
        flash(_("请先登录。"), "info")
        return redirect(url_for("account.login", next=request.full_path.rstrip("?")), 303)
    if error.status < 500:
        return page(str(error), error.status)
    # Their texts are for the operator: they name commands, files and hosts.
    log.error("%s on %s %s: %s", type(error).__name__, request.method, request.path, error)
    if error.status == 503:
        return page(_("系统正忙，请稍后再试；刚才提交的内容没有保存。"), 503)
    return page(_fault(), error.status)


def csrf_error(error: CSRFError) -> Answer:
    """The form is too old or came from elsewhere."""
    return page(_("页面已过期，或者不是从本站提交的。请返回上一页，刷新后再提交一次。"), 400)


def http_error(error: HTTPException) -> Answer | HTTPException:
    """An error of the protocol, in words."""
    if error.code is None or error.code < 400 or error.response is not None:
        return error
    words = {
        400: _("这个请求看不懂，请返回上一页重新提交。"),
        404: _("没有找到这个页面，它可能已移走。"),
        405: _("这个地址不接受这种操作。"),
        413: _("提交的内容太大，请精简后再试。"),
        429: _("操作太频繁，请稍后再试。"),
    }
    text, status = page(words.get(error.code, error.description or error.name), error.code)
    return text, status, {k: v for k, v in error.get_headers() if k in KEPT}


def unexpected(error: Exception) -> Answer:
    """A fault of ours: logged with its traceback, shown with the number to quote."""
    if isinstance(error, OperationalError):
        return keyun_error(DatabaseError(str(error.orig)))
    log.error("unexpected error on %s %s", request.method, request.path, exc_info=error)
    return page(_fault(), 500)


def page(text: str, status: int) -> tuple[str, int]:
    """The error page. A broken template must not hide the error, so there is a page without one."""
    number = g.get("request_id", "-")
    try:
        return render_template("keyun/error.html", text=text, status=status, request_id=number), status
    except Exception:
        log.exception("the error page cannot be rendered")
        title = f"{status} · {number}"
        return f"<!doctype html><meta charset=utf-8><title>{title}</title><p>{escape(text)}<p>{title}", status


def _fault() -> str:
    return str(_("系统出错了，已记录。请稍后再试，或把下面的编号告诉管理员。"))
