"""Show where words stand in the current text, as (text, is_match) runs; markup is the page's business."""

from __future__ import annotations

from collections.abc import Sequence

from keyun.search.analysis import analyzer

PIECE = 120
Runs = Sequence[tuple[str, bool]]


def places(text: str, words: frozenset[str]) -> list[tuple[int, int]]:
    """Where any of ``words`` stands in ``text``; overlapping places are one."""
    found: list[tuple[int, int]] = []
    for span in analyzer().spans(text):
        if span.word not in words:
            continue
        if found and span.start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], span.end))
        else:
            found.append((span.start, span.end))
    return found


def runs(text: str, words: frozenset[str]) -> Runs:
    """``text`` cut at its matches; the runs joined give it back."""
    out: list[tuple[str, bool]] = []
    last = 0
    for start, end in places(text, words):
        if start > last:
            out.append((text[last:start], False))
        out.append((text[start:end], True))
        last = end
    if last < len(text):
        out.append((text[last:], False))
    return out


def best_piece(text: str, words: frozenset[str], length: int = PIECE) -> Runs:
    """The piece of ``text`` with the most matches, at most ``length`` characters and its ellipses."""
    found = places(text, words)
    starts = [max(0, s - length // 4) for s, _ in found] or [0]
    best = max(starts, key=lambda a: (sum(1 for s, e in found if a <= s and e <= a + length), -a))
    piece = text[best : best + length]
    lead = [("…", False)] if best else []
    tail = [("…", False)] if best + length < len(text) else []
    return [*lead, *runs(piece, words), *tail]
