"""From texts to weighted terms: words and character bigrams in one bag, told apart by their hash."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from keyun.search import HAN, Analyzer
from keyun_marketplace.matching.records import MAX_TEXT, Record, Weights

BIGRAM = "\x02"


@lru_cache(maxsize=200_000)
def term_hash(term: str) -> int:
    """64 bits of BLAKE2b: among a million terms two collide with a chance below 1 in 10⁷."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def terms(analyzer: Analyzer, text: str) -> list[str]:
    """The words of ``text`` and its marked bigrams."""
    found = analyzer.words(text)
    for run in HAN.findall(analyzer.fold(text)):
        found += [BIGRAM + run[i : i + 2] for i in range(len(run) - 1)]
    return found


def bag(analyzer: Analyzer, record: Record, weights: Weights) -> dict[str, float]:
    """Term to weighted frequency over the fields of ``record``."""
    counts: dict[str, float] = {}
    for weight, text in (
        (weights.title, record.title),
        (weights.keywords, "，".join(record.keywords)),
        (weights.body, record.body[:MAX_TEXT]),
    ):
        if text:
            for term in terms(analyzer, text):
                counts[term] = counts.get(term, 0.0) + weight
    return counts
