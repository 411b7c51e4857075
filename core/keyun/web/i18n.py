"""Chinese first, English complete: the language of a page and the catalogues of core and plugins."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, g, request
from flask_babel import Babel
from werkzeug.wrappers import Response

from keyun.site import Site

LANGUAGES = ("zh", "en")
COOKIE = "keyun_lang"
YEAR = 365 * 24 * 3600


def language() -> str:
    """The language of this request: asked for in the address, remembered, else Chinese."""
    asked = request.args.get("lang") or request.cookies.get(COOKIE) or LANGUAGES[0]
    return asked if asked in LANGUAGES else LANGUAGES[0]


def mount(app: Flask, site: Site) -> None:
    """Install translations; the source language of every text is Chinese."""
    folders = [Path(__file__).parent.parent / "translations"]
    for plugin in site.plugins.plugins.values():
        folders += [root / "translations" for root in reversed(plugin.roots)]
    present = [str(f) for f in folders if f.is_dir()]
    Babel(
        app,
        default_locale="zh",
        default_timezone=str(site.timezone),
        default_translation_directories=";".join(present),
        locale_selector=language,
    )

    @app.after_request
    def remember(response: Response) -> Response:
        if request.args.get("lang") in LANGUAGES:
            response.set_cookie(COOKIE, language(), max_age=YEAR, samesite="Lax", httponly=True)
        return response

    app.jinja_env.globals["current_lang"] = _Language()


class _Language:
    """The current language as templates compare it."""

    def __eq__(self, other: object) -> bool:
        return str(self) == other

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return str(g.setdefault("keyun_language", language()))
