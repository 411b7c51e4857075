"""Markdown in, safe HTML out."""

from __future__ import annotations

import re
from functools import cache

import mistune
import nh3
from markupsafe import Markup

TAGS = {
    "p", "br", "em", "strong", "del", "code", "pre", "blockquote", "ul", "ol", "li", "hr",
    "h2", "h3", "h4", "a", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip

#: What may be a mark or a reference; a text without any of these is plain already.
MARKS = re.compile(r"[<>&*_`~|#=\[\]\\]|^\s*[-+0-9]", re.MULTILINE)


def markdown(text: str) -> Markup:
    """Render ``text``; no images, no scripts, links open without a referrer."""
    clean = nh3.clean(
        str(_renderer()(text)),
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    return Markup(clean)


@cache
def _renderer() -> mistune.Markdown:
    """Made once: putting it together costs as much as a short text."""
    return mistune.create_markdown(escape=True, hard_wrap=True, plugins=["table", "strikethrough"])


def plain(text: str, limit: int = 160) -> str:
    """The text without its marks, cut to ``limit`` characters."""
    if MARKS.search(text):
        text = Markup(nh3.clean(str(mistune.html(text)), tags=set())).unescape()
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
