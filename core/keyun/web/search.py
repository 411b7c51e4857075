"""The search page."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from keyun.search import Query, search
from keyun.web.context import actor, reading, site

PAGE_SIZE = 20
MAX_PAGE = 50
MAX_QUERY = 2000


def blueprint() -> Blueprint:
    """``/search``."""
    pages = Blueprint("search", __name__)
    pages.add_url_rule("/search", "index", index)
    return pages


def index() -> str:
    """Answer a question with what is public, a page at a time."""
    text = request.args.get("q", "")[:MAX_QUERY].strip()
    kind = request.args.get("type") or None
    region = request.args.get("region", "")
    number = request.args.get("page", "1")
    usable = number.isascii() and number.isdigit() and len(number) < 5
    page = min(max(int(number), 1), MAX_PAGE) if usable else 1
    code = region if region in site().regions else None
    query = Query(text, (kind,) if kind else (), code, (page - 1) * PAGE_SIZE, PAGE_SIZE)
    found = search(actor(), reading(), query) if text else None
    return render_template(
        "keyun/search.html", q=text, kind=kind, region=code, page=page, found=found, types=site().types,
        sources=site().sources, size=PAGE_SIZE, last=MAX_PAGE,
    )
