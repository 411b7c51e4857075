"""What a question asks for: words that must stand in a document, and longer words that are better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keyun.search.analysis import Span, analyzer
from keyun.search.port import MAX_QUERY


@dataclass(frozen=True, slots=True)
class Question:
    """``required`` words in the order of the text, and ``better`` ones that only raise the rank."""

    required: Sequence[str]
    better: Sequence[str]


def ask(text: str) -> Question:
    """Read ``text``. A compound whose parts cover it (晚熟柑橘 = 晚熟 + 柑橘) asks for its parts.

    A compound that its parts do not cover (黄龙 leaves the 病 of 黄龙病 out) asks for itself.
    """
    text = text[:MAX_QUERY]
    spans = sorted(analyzer().spans(text), key=lambda s: (s.start, s.end))
    required: list[str] = []
    better: list[str] = []
    first = 0
    for unit in analyzer().units(text):
        while first < len(spans) and spans[first].start < unit.start:
            first += 1
        last = first
        while last < len(spans) and spans[last].end <= unit.end:
            last += 1
        parts = _parts(unit, spans[first:last])
        required += parts or [unit.word]
        better += [unit.word] if parts else []
    return Question(list(dict.fromkeys(required)), list(dict.fromkeys(better)))


def _parts(unit: Span, inside: Sequence[Span]) -> list[str]:
    """The words one after another that make up ``unit``; none when they leave a gap."""
    ways: dict[int, list[str]] = {unit.start: []}
    for span in inside:
        if span.start in ways and span != unit:
            ways.setdefault(span.end, [*ways[span.start], span.word])
    return ways.get(unit.end, [])
