"""Addresses as QR codes, drawn as SVG without a script, a style or another server."""

from __future__ import annotations

import segno
from flask import request
from markupsafe import Markup

from keyun.web.context import site


def qr(address: str) -> Markup:
    """``address`` as an inline SVG; error correction M survives a crease."""
    return Markup(segno.make(address, error="m").svg_inline(scale=5, border=4, svgclass="qr", lineclass=None))


def absolute(path: str) -> str:
    """The address of ``path`` on this site for somebody who reads it on paper."""
    root = site().runtime.config.site["url"] or request.host_url.rstrip("/")
    return f"{root}{path}"
