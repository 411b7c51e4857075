"""The page on which a person binds the WeChat official account."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, url_for
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.web.context import actor, reading, site, writing
from keyun_notices.outbox import binding


def blueprint(name: str) -> Blueprint:
    """The pages of the part ``outbox`` of the slot ``name``."""
    pages = Blueprint(f"{name}-outbox", __name__)
    pages.add_url_rule("/wechat", "wechat", wechat)
    pages.add_url_rule("/wechat/code", "code", code, methods=["POST"])
    pages.add_url_rule("/wechat/unbind", "unbind", unbind, methods=["POST"])
    return pages


@requires("notices.inbox.read")
def wechat() -> str:
    """Whether one's account is bound, and how to bind it."""
    return _page(None)


@requires("notices.inbox.read")
def code() -> str:
    """The same page with a new code."""
    with writing() as unit:
        made = binding.new_code(actor(), unit)
    return _page(made)


@requires("notices.inbox.read")
def unbind() -> Response:
    """End the binding."""
    with writing() as unit:
        binding.unbind(actor(), unit)
    return redirect(url_for("notices-outbox.wechat"))


def _page(made: binding.Code | None) -> str:
    g.private_page = True
    settings = site().plugins.settings("notices")["wechat"]
    return render_template(
        "notices/wechat.html",
        there=settings is not None,
        account=settings["title"] if settings else "",
        bound=binding.is_bound(actor(), reading()),
        made=made,
    )
