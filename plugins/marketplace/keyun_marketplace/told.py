"""The reasons of a match as a page writes them, put together in Python: a page holds a hundred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup, escape

from keyun_marketplace.scoring import TEXT, Found, Part

MOST_TERMS = 6
FIELDS = frozenset({"field", "field-predicted"})


@dataclass(frozen=True, slots=True)
class Told:
    """``terms`` are the first phrases both have; ``marks`` (name, sentence) the reasons beside the words;
    ``rows`` (sentence, points) add up to ``score``.
    """

    score: str
    terms: tuple[str, ...]
    marks: tuple[tuple[str, Markup], ...]
    rows: tuple[tuple[Markup, str], ...]


def tell(found: Found, language: str, english: Mapping[str, str]) -> Told:
    """Say in ``language`` why ``found`` fits; ``english`` has the names of fields in English."""
    said = [(part, sentence(part, language, english)) for part in found.parts]
    return Told(
        f"{found.score:.1f}",
        tuple(p.text for p in found.parts if p.name == "terms")[:MOST_TERMS],
        tuple((p.name, text) for p, text in said if p.name not in TEXT),
        tuple((text, f"{p.value:.2f}") for p, text in said),
    )


def sentence(part: Part, language: str, english: Mapping[str, str]) -> Markup:
    """One reason, escaped."""
    if part.name == "terms":
        before, after = part.around(language)
        # What people wrote is Chinese, whatever the language around it.
        return Markup(f'{escape(before)}<span lang="zh-CN">{escape(part.text)}</span>{escape(after)}')
    if part.name in FIELDS and language != "zh":
        part = part._replace(text=english.get(part.text, part.text))
    return escape(part.why(language))
