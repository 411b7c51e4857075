"""The search page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for

from keyun.search import MAX_QUERY, MAX_RESULTS, Found, Query, SearchUnavailable, search
from keyun.web.context import actor, reading, region_argument, region_asked, site

PAGE_SIZE = 20
LAST_PAGE = MAX_RESULTS // PAGE_SIZE


def blueprint() -> Blueprint:
    """``/search``."""
    pages = Blueprint("search", __name__)
    pages.add_url_rule("/search", "index", index)
    return pages


def index() -> str | tuple[str, int]:
    """Answer a question with what is public; without an engine say so, and offer the rest of the site."""
    try:
        return _results()
    except SearchUnavailable as e:
        return _render(unavailable=str(e)), e.status


def _results() -> str:
    """A page of results; one beyond the last is the last."""
    text = request.args.get("q", "")[:MAX_QUERY].strip()
    kind, region = request.args.get("type", ""), region_asked() or ""
    kind = kind if kind in site().sources else ""
    page = _number(request.args.get("page", "1"))
    found = _page(text, kind, region, page) if text else None
    last = _last(found)
    if page > last:
        page = last
        found = _page(text, kind, region, page) if text else None

    def address(number: int = 1, **change: str | None) -> str:
        values: dict[str, Any] = {"q": text, "type": kind or None, "region": region, **change}
        values["region"] = region_argument(values["region"])
        return url_for("search.index", page=number if number > 1 else None, **values)

    return _render(
        q=text,
        kind=kind,
        region=region,
        found=found,
        address=address,
        before=address(page - 1) if page > 1 else None,
        after=address(page + 1) if page < last else None,
    )


def _render(**values: Any) -> str:
    kinds = [t for name, t in site().types.items() if name in site().sources]
    found = {"q": request.args.get("q", "")[:MAX_QUERY].strip(), "found": None, **values}
    return render_template("keyun/search.html", kinds=kinds, types=site().types, **found)


def _page(text: str, kind: str, region: str, page: int) -> Found:
    query = Query(text, (kind,) if kind else (), region or None, (page - 1) * PAGE_SIZE, PAGE_SIZE)
    return search(actor(), reading(), query)


def _last(found: Found | None) -> int:
    total = found.page.total if found is not None else 0
    return max(1, min(-(-total // PAGE_SIZE), LAST_PAGE))


def _number(text: str) -> int:
    """A page number of the address; anything else is the first page, anything large the last."""
    if not (text.isascii() and text.isdigit()):
        return 1
    return max(1, min(int(text[:12]), LAST_PAGE))
