"""Answers travel compressed, but never a page with a secret that another site asked for (BREACH).

A text that holds both a secret and something the asker chose gives the secret away by its compressed
length. Only another site can play that game with somebody's cookies, so what belongs to a session is
compressed only when the browser says that this site itself, or the person in the address bar, asks.
"""

from __future__ import annotations

import gzip
from functools import lru_cache

from flask import Flask, request, session
from werkzeug.wrappers import Response

TYPES = frozenset(
    {
        "text/html", "text/css", "text/plain", "text/csv", "text/javascript", "application/javascript",
        "application/json", "application/problem+json", "application/xml", "application/rss+xml",
        "application/atom+xml", "image/svg+xml",
    }
)  # fmt: skip
#: Below this, the packing costs more than it saves.
LEAST_BYTES = 500
#: What ``Sec-Fetch-Site`` says of requests that no other site can bring about.
OWN = ("same-origin", "none")
PAGE_LEVEL, FILE_LEVEL = 5, 9


def mount(app: Flask) -> None:
    """Compress answers as the last step; files are compressed once for each process."""

    @lru_cache(maxsize=64)
    def file(content: bytes) -> bytes:
        return gzip.compress(content, FILE_LEVEL, mtime=0)

    @app.after_request
    def compress(response: Response) -> Response:
        is_file = response.direct_passthrough
        if response.mimetype not in TYPES or (response.is_streamed and not is_file):
            return response
        response.vary.add("Accept-Encoding")
        if response.mimetype == "text/html":
            response.vary.add("Cookie")
        if not _wanted(response):
            return response
        response.direct_passthrough = False
        content = response.get_data()
        if len(content) >= LEAST_BYTES:
            packed = file(content) if is_file else gzip.compress(content, PAGE_LEVEL, mtime=0)
            response.set_data(packed)
            response.headers["Content-Encoding"] = "gzip"
            response.headers.pop("Accept-Ranges", None)
            if tag := response.get_etag()[0]:
                response.set_etag(tag, weak=True)
        return response


def _wanted(response: Response) -> bool:
    """Whether this answer is whole, the asker can unpack it, and it gives nothing away."""
    if response.status_code in (204, 206, 304) or "Content-Encoding" in response.headers:
        return False
    if not request.accept_encodings.quality("gzip"):
        return False
    return response.direct_passthrough or not session or request.headers.get("Sec-Fetch-Site") in OWN
