"""Chinese first, English complete: the language of a page and the catalogues of core and plugins."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from flask import Flask, g, request
from flask_babel import Babel, get_translations
from markupsafe import Markup
from werkzeug.wrappers import Response

from keyun.site import Site
from keyun.web.overrides import compile_catalogues

log = logging.getLogger(__name__)
LANGUAGES = ("zh", "en")
COOKIE = "keyun_lang"
YEAR = 365 * 24 * 3600
#: Perhaps one sentence in both languages, as services write it: ``中文。 (English.)``. Neither half gives
#: back what it took: people's own words stand in such texts, and trying all ways to cut them takes seconds.
BOTH = re.compile(r"([^()]++)\(([ -'*-~]++)\)")
HAN, LATIN = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[A-Za-z]")


def language() -> str:
    """The language of this request, ``zh`` or ``en``: asked for in the address, remembered, else Chinese."""
    asked = request.args.get("lang") or request.cookies.get(COOKIE) or LANGUAGES[0]
    return asked if asked in LANGUAGES else LANGUAGES[0]


def one_language(text: object) -> str:
    """The half of a bilingual text that the reader of this request wants; other texts stay as they are."""
    return BOTH.sub(_half, str(text))


def _half(found: re.Match[str]) -> str:
    chinese, english = found[1], found[2]
    if not (chinese[-1].isspace() and HAN.search(chinese) and LATIN.search(english)):
        return found[0]
    if language() == "zh":
        return chinese.rstrip()
    return chinese[: len(chinese) - len(chinese.lstrip())] + english


def mount(app: Flask, site: Site) -> None:
    """Install translations; the source language of every text is Chinese."""
    Babel(
        app,
        default_locale=LANGUAGES[0],
        default_timezone=str(site.timezone),
        default_translation_directories=";".join(str(f.resolve()) for f in folders(site)),
        locale_selector=language,
    )

    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda text: _catalogue().ugettext(text),
        ngettext=lambda one, many, n: _catalogue().ungettext(one, many, n),
        newstyle=True,
        pgettext=lambda context, text: _catalogue().upgettext(context, text),
        npgettext=lambda context, one, many, n: _catalogue().unpgettext(context, one, many, n),
    )
    app.jinja_env.globals["_"] = _text

    @app.after_request
    def remember(response: Response) -> Response:
        if request.args.get("lang") in LANGUAGES:
            secure = bool(site.runtime.config.web["secure_cookies"])
            response.set_cookie(COOKIE, language(), YEAR, samesite="Lax", httponly=True, secure=secure)
        return response


def _text(text: str, **values: Any) -> Markup:
    """``_`` of templates. A page asks for a hundred texts, most without values, so it goes no detours."""
    found = Markup(_catalogue().ugettext(text))
    return found % values if values or "%" in found else found


def _catalogue() -> Any:
    """The texts of this request, looked up once: its language does not change meanwhile."""
    try:
        return g.keyun_catalogue
    except AttributeError:
        g.keyun_catalogue = get_translations()
        return g.keyun_catalogue


def folders(site: Site) -> list[Path]:
    """Where catalogues lie, later ones winning: the shipped ones, and at last those of the instance."""
    own, problems = compile_catalogues(site.runtime.instance, LANGUAGES)
    for problem in problems:
        log.error("%s", problem)
    return [*shipped(site), own]


def shipped(site: Site) -> list[Path]:
    """Catalogues of plugins in load order, and of the core, whose texts stay its own."""
    found = [root / "translations" for p in site.plugins.plugins.values() for root in reversed(p.roots)]
    return [f for f in [*found, Path(__file__).parent.parent / "translations"] if f.is_dir()]
