"""Candidates as people see them, and what plugins and the operator change in their scores.

The engine ranks by words, field, place and age (``matching``). Here bonuses for fields that plugins add
are counted, and a plugin may score anew. Whatever is shown, its parts add up to its score.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from keyun.site import Site
from keyun_marketplace.matching.engine import Answer
from keyun_marketplace.matching.records import ADDED, Part, Query

__all__ = ["Answer", "Asks", "Bonus", "Found", "Part", "Query", "reason"]

log = logging.getLogger(__name__)
#: When scores change after the engine, it is asked for so many times the candidates, up to a limit.
POOL, MOST = 5, 100
#: Parts that come from what was written.
TEXT = frozenset({"terms", "wording"})


class Asks(Protocol):
    """What can be asked for matches: the engine, or what a plugin puts in its place."""

    def match(self, query: Query, top: Mapping[str, int]) -> Answer:
        """The best ``top[kind]`` records of each kind; the parts of each candidate add up to its score."""


@dataclass(frozen=True, slots=True)
class Bonus:
    """How much the values of an added field count: ``shares`` of the score of the words, by value.

    ``key`` is ``<slot>.<field>``; a value is named as in a file, yes and no as ``true`` and ``false``.
    """

    key: str
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Found:
    """One match as a page shows it. Of a person it holds no name.

    ``day`` counts days since 1970-01-01 to its publication; ``added`` are the values of fields that
    plugins add, by key.
    """

    kind: str
    target_id: int
    public_id: str
    title: str
    summary: str
    region: str | None
    discipline: str | None
    owner: str
    keywords: Sequence[str]
    score: float
    parts: Sequence[Part]
    owner_id: int | None
    can_ask: bool
    day: int = 0
    added: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> float:
        """The score of the words alone, which everything else is a share of."""
        return sum(p.value for p in self.parts if p.name in TEXT)

    def plus(self, *parts: Part) -> Found:
        """The same match with more reasons; the score grows, or shrinks, with them."""
        score = round(self.score + sum(p.value for p in parts), 4)
        return replace(self, parts=(*self.parts, *parts), score=score)


def reason(value: float, zh: str, en: str) -> Part:
    """A part of a score that a plugin brings, with its reason in both languages."""
    return Part(ADDED, round(value, 4), f"{zh}\n{en}")


def widened(site: Site, kinds: Mapping[str, int]) -> dict[str, int]:
    """How many candidates of each kind the engine is asked for; more when scores may change afterwards."""
    scorers = site.plugins.hook.keyun_marketplace_rescore.get_hookimpls()
    if len(scorers) <= 1 and not bonuses(site):
        return dict(kinds)
    return {kind: max(most, min(POOL * most, MOST)) for kind, most in kinds.items()}


def bonuses(site: Site) -> dict[str, Mapping[str, float]]:
    """The shares of every added field that counts; the operator's settings win over a plugin's."""
    found: dict[str, Mapping[str, float]] = {}
    try:
        for each in site.plugins.hook.keyun_marketplace_bonuses():
            found |= {b.key: {value: _share(s) for value, s in b.shares.items()} for b in each}
    except Exception:
        log.exception("a plugin failed in keyun_marketplace_bonuses; none counts")
        return {}
    return found


def _share(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is no share")
    return float(value)


def answered(site: Site, side: str, matcher: Asks, query: Query, kinds: Mapping[str, int]) -> Answer:
    """The answer of ``matcher``, or of what a plugin puts in its place while that works."""
    try:
        asks: Asks = site.plugins.hook.keyun_marketplace_matcher(side=side, matcher=matcher)
        answer = asks.match(query, kinds)
        if asks is matcher or all(_adds_up(c.score, c.parts) for a in answer.candidates.values() for c in a):
            return answer
        log.error("keyun_marketplace_matcher: parts do not add up to the score; the engine answers instead")
    except Exception:
        log.exception("a plugin failed in keyun_marketplace_matcher; the engine answers instead")
    return matcher.match(query, kinds)


def ranked(site: Site, query: Query, found: Sequence[Found]) -> list[Found]:
    """``found`` with bonuses, scored anew where a plugin does that, best first."""
    shares = bonuses(site)
    scored = [_with_bonuses(site, f, shares) for f in found] if shares else list(found)
    return sorted(_rescored(site, query, scored), key=lambda f: -f.score)


def _rescored(site: Site, query: Query, found: Sequence[Found]) -> Sequence[Found]:
    try:
        new: Sequence[Found] = list(site.plugins.hook.keyun_marketplace_rescore(query=query, found=found))
        problem = _problem(found, new)
    except Exception:
        log.exception("a plugin failed in keyun_marketplace_rescore; the engine's scores stay")
        return found
    if problem:
        log.error("keyun_marketplace_rescore: %s; scores stay", problem)
        return found
    return new


def _problem(found: Sequence[Found], new: Sequence[Found]) -> str:
    """Why ``new`` cannot stand for ``found``; empty when it can."""
    known = {(f.kind, f.target_id) for f in found}
    keys = [(f.kind, f.target_id) for f in new]
    if len(set(keys)) != len(keys) or not known.issuperset(keys):
        return "it returned matches that it did not get"
    return "" if all(_adds_up(f.score, f.parts) for f in new) else "parts do not add up to the score"


def _adds_up(score: float, parts: Iterable[Part]) -> bool:
    return math.isclose(score, sum(p.value for p in parts), abs_tol=1e-3)


def _with_bonuses(site: Site, found: Found, shares: Mapping[str, Mapping[str, float]]) -> Found:
    kind = site.types.get(f"marketplace.{found.kind}")
    parts: list[Part] = []
    for added in kind.fields if kind is not None else ():
        value = found.added.get(added.key)
        name = str(value).lower() if isinstance(value, bool) else str(value)
        share = shares.get(added.key, {}).get(name, 0.0)
        if value is not None and share:
            zh, en = added.says(value)
            parts.append(reason(found.words * share, f"{added.title}：{zh}", f"{added.title_en}: {en}"))
    return found.plus(*parts) if parts else found
