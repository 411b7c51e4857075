"""How a page looks to its reader: standard or large text, chosen by a link and remembered by a cookie."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from keyun.web.context import main_root, site, subsite
from keyun.web.login import next_url

SIZES = ("standard", "large")
COOKIE = "keyun_size"
YEAR = 365 * 24 * 3600


def blueprint() -> Blueprint:
    """``/appearance``."""
    pages = Blueprint("appearance", __name__)
    pages.add_url_rule("/appearance", "choose", choose)
    return pages


def text_size() -> str:
    """The size of the text of this request, ``standard`` or ``large``."""
    asked = request.cookies.get(COOKIE, "")
    return asked if asked in SIZES else SIZES[0]


def choose() -> Response:
    """Remember the size of ``?size=`` and go back to ``next``."""
    response = redirect(next_url(), 303)
    asked = request.args.get("size")
    if asked in SIZES:
        secure = bool(site().runtime.config.web["secure_cookies"])
        response.set_cookie(COOKIE, asked, YEAR, samesite="Lax", httponly=True, secure=secure)
    return response


def switch_size_url() -> str:
    """The address that shows this page with text of the other size."""
    return url_for("appearance.choose", size=SIZES[1 - SIZES.index(text_size())], next=this_page())


def this_page() -> str:
    """The address of the page that is shown, to come back to; of an answer to a form, the home page."""
    if request.method != "GET" or not request.endpoint:
        return url_for("home.index")
    return request.script_root + request.full_path.rstrip("?")


def canonical_url() -> str:
    """The one address of this page for search engines: without the language and without a place in a list.

    A page of a sub-site is the main site's page, except for its home page.
    """
    kept = [(k, v) for k, v in request.args.items(multi=True) if k not in ("lang", "after", "page")]
    here, address = subsite(), request.base_url
    by_host = here is not None and not request.script_root.endswith(here.prefix)
    if not (by_host and request.endpoint == "home.index"):
        # A visitor may claim any host, so the address that the operator gave counts.
        main = site().runtime.config.site["url"] or request.host_url.rstrip("/") + main_root()
        home = f"{main}{here.prefix}" if here is not None and request.endpoint == "home.index" else main
        address = f"{home}/{address.removeprefix(request.root_url)}"
    return address + ("?" + urlencode(kept) if kept else "")
