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
from keyun.web.appearance import this_page
from keyun.web.context import actor
from keyun.web.i18n import language, one_language

log = logging.getLogger(__name__)
Answer = Response | tuple[str, int] | tuple[str, int, dict[str, str]]
#: Headers of an HTTP error that belong to its answer.
KEPT = ("Allow", "Retry-After")
#: The error page of a site whose templates cannot be used.
PLAIN = """<!doctype html>
<html lang="{lang}"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{status} · {number}</title>
<main><h1>{status}</h1><p>{text}</p><p><a href="/">⌂ 首页 / Home</a></p><p><code>{number}</code></p></main>
</html>
"""


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
        return redirect(url_for("account.login", next=this_page()), 303)
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
        403: _("没有权限打开这个页面。"),
        413: _("提交的内容太大，请精简后再试。"),
        429: _("操作太频繁，请稍后再试。"),
    }
    text, status = page(words.get(error.code) or heading(error.code), error.code)
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
        said = {"text": text, "heading": heading(status), "steps": steps(status)}
        return render_template("keyun/error.html", status=status, request_id=number, **said), status
    except Exception:
        log.exception("the error page cannot be rendered")
        words = escape(one_language(text))
        return PLAIN.format(
            lang="en" if language() == "en" else "zh-CN", text=words, status=status, number=number
        ), status


def heading(status: int) -> str:
    """What happened, in a few words."""
    words = {
        400: _("提交的内容有问题"),
        401: _("请先登录"),
        403: _("没有权限"),
        404: _("没有找到"),
        409: _("内容有冲突"),
        413: _("提交的内容太大"),
        429: _("操作太频繁"),
        503: _("系统正忙"),
    }
    return str(words.get(status, _("系统出错了") if status >= 500 else _("没能完成")))


def steps(status: int) -> list[str]:
    """What the reader can do next."""
    if status >= 500:
        found = [_("等一两分钟，再刷新这个页面。"), _("仍然不行时，把下面的请求编号告诉管理员。")]
    elif status in (401, 403):
        found = [_("如果有别的账号，换一个账号登录。"), _("认为应该有权限时，请联系当地服务中心。")]
    elif status == 404:
        found = [_("检查地址有没有写错。"), _("搜索标题里的词，或从上方菜单进入各栏目。")]
    elif status == 413:
        found = [_("缩短文字，或把文件分成几个小的。"), _("返回上一页，已填写的内容通常还在。")]
    elif status == 429:
        found = [_("等一分钟再试。")]
    else:
        found = [_("返回上一页，检查后再提交一次。"), _("内容可能已被别人修改，请先刷新。")]
    return [str(s) for s in found]


def _fault() -> str:
    return str(_("系统出错了，已记录。请稍后再试，或把下面的编号告诉管理员。"))
