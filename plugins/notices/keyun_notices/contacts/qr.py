"""Addresses as QR codes, drawn as SVG without a script, a style or another server."""

from __future__ import annotations

import segno
from flask import request
from markupsafe import Markup

from keyun.web.context import site


def qr(address: str) -> Markup:
    """``address`` as an inline SVG as large as the style sheet says; error correction M survives a crease."""
    code = segno.make(address, error="m")
    # Without a size of its own it has a view box, and fills what it is given on screen and on paper.
    return Markup(code.svg_inline(border=4, omitsize=True, svgclass="qr", lineclass=None))


def absolute(path: str) -> str:
    """The address of ``path`` on this site for somebody who reads it on paper."""
    root = site().runtime.config.site["url"] or request.host_url.rstrip("/")
    return f"{root}{path}"
