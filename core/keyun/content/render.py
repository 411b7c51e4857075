"""Markdown in, safe HTML out."""

from __future__ import annotations

import mistune
import nh3
from markupsafe import Markup

TAGS = {
    "p", "br", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li", "hr",
    "h2", "h3", "h4", "a", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


def markdown(text: str) -> Markup:
    """Render ``text``; no images, no scripts, links open without a referrer."""
    html = mistune.create_markdown(escape=True, hard_wrap=True, plugins=["table", "strikethrough"])(text)
    clean = nh3.clean(
        str(html),
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    return Markup(clean)


def plain(text: str, limit: int = 160) -> str:
    """The text without its marks, cut to ``limit`` characters."""
    clean = nh3.clean(str(mistune.html(text)), tags=set())
    flat = " ".join(Markup(clean).unescape().split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
