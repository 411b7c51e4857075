"""Texts on pages whose pieces are in two languages: names of places are Chinese in every sentence."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import get_locale
from markupsafe import Markup, escape

HAN = re.compile(r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]+")
LATIN = re.compile(r"[A-Za-z]")


def language() -> str:
    """The language of the page, ``zh`` or ``en``."""
    return "en" if str(get_locale()).startswith("en") else "zh"


def mixed(text: str, language: str) -> Markup:
    """``text`` with its Chinese pieces marked as such, on a page in English."""
    if language == "zh":
        return Markup(escape(text))
    if not LATIN.search(text):
        return Markup('<span lang="zh-CN">{}</span>').format(text)
    found = Markup("")
    end = 0
    for piece in HAN.finditer(text):
        found += escape(text[end : piece.start()]) + Markup('<span lang="zh-CN">{}</span>').format(piece[0])
        end = piece.end()
    return found + escape(text[end:])


def helpers() -> dict[str, Any]:
    """For the context of templates: ``language``, and ``mixed(text)`` in the language of the page."""
    here = language()
    return {"language": here, "mixed": lambda text: mixed(str(text), here)}
