"""Show where words stand in the current text, as (text, is_match) runs; markup is the page's business."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from keyun.search.analysis import analyzer

PIECE = 120
#: How far before its first match a piece begins.
LEAD = PIECE // 4
Runs = Sequence[tuple[str, bool]]
Place = tuple[int, int]


def places(text: str, words: Iterable[str]) -> list[Place]:
    """Where any of ``words`` stands in ``text``, in order; places that touch are one."""
    wanted = frozenset(words)
    found: list[Place] = []
    for start, end in sorted((s.start, s.end) for s in analyzer().spans(text) if s.word in wanted):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def runs(text: str, words: Iterable[str]) -> Runs:
    """``text`` cut at its matches; the runs joined give it back."""
    return _cut(text, places(text, words), 0, len(text))


def best_piece(text: str, words: Iterable[str], length: int = PIECE) -> Runs:
    """The piece of ``text`` that matches most: at most ``length`` characters, and its ellipses."""
    found = places(text, words)
    ends = [end for _, end in found]
    matched = list(accumulate((end - start for start, end in found), initial=0))
    best, most = 0, 0
    for first, (place, _) in enumerate(found):
        start = max(0, place - LEAD)
        count = matched[bisect_right(ends, start + length)] - matched[first]
        if count > most:
            best, most = start, count
    end = min(best + length, len(text))
    lead = [("…", False)] if best else []
    tail = [("…", False)] if end < len(text) else []
    return [*lead, *_cut(text, found, best, end), *tail]


def _cut(text: str, found: Sequence[Place], first: int, last: int) -> list[tuple[str, bool]]:
    """``text[first:last]`` as runs; a match that reaches over an edge is cut there."""
    out: list[tuple[str, bool]] = []
    done = first
    for start, end in found:
        start, end = max(start, first), min(end, last)
        if start >= end:
            continue
        if start > done:
            out.append((text[done:start], False))
        out.append((text[start:end], True))
        done = end
    if done < last:
        out.append((text[done:last], False))
    return out
