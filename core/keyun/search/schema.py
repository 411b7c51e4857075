"""What Whoosh stores of a document, and how it weighs it.

An index on disk names the class of its fields: who renames ``Words`` makes every worker build anew.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from keyun.regions.codes import level
from keyun.search.analysis import analyzer
from keyun.search.port import Document

with warnings.catch_warnings():
    # Whoosh (2016) is a given; newer Pythons warn of its old escapes when they compile it.
    warnings.simplefilter("ignore")
    from whoosh import columns, fields, formats, scoring

#: How much a word counts where it stands.
TITLE, EXTRA, BODY = 3.0, 2.0, 1.0
Weighted = Mapping[str, tuple[int, float]]


class Words(fields.FieldType):  # type: ignore[misc]
    """Words with weights: the value is a mapping of each word to (how often, weight)."""

    def __init__(self) -> None:
        super().__init__(formats.Existence(), None, scorable=True)

    def index(self, value: Weighted, **_: Any) -> Iterator[tuple[bytes, int, float, bytes]]:
        """What Whoosh stores for each word."""
        for word, (count, weight) in value.items():
            yield word.encode(), count, weight, b""


class Condition(scoring.WeightingModel, scoring.BaseScorer):  # type: ignore[misc]
    """The score of a field that only limits: nothing, whatever it holds."""

    def scorer(self, searcher: Any, fieldname: str, text: bytes, qf: int = 1) -> Condition:
        """The same for every word."""
        return self

    def supports_block_quality(self) -> bool:
        """Whoosh may skip by the other words."""
        return True

    def score(self, matcher: Any) -> float:
        """Nothing."""
        return 0.0

    block_quality = score

    def max_quality(self) -> float:
        """Nothing."""
        return 0.0


def schema() -> Any:
    """One field of words, conditions by type and region, and what is read of each hit."""

    def number() -> Any:
        return fields.COLUMN(columns.NumericColumn("q"))

    return fields.Schema(
        key=fields.ID(), type=fields.ID(), region=fields.KEYWORD(), words=Words(),
        number=number(), version=number(), published=number(),
    )  # fmt: skip


def weighting() -> Any:
    """BM25 over the words; conditions count nothing."""
    return scoring.MultiWeighting(scoring.BM25F(), type=Condition(), region=Condition())


def fields_of(d: Document) -> dict[str, Any]:
    """A document as Whoosh takes it."""
    return {
        "key": str(d.id),
        "type": d.type,
        "region": " ".join(_path(d.region)) if d.region else None,
        "words": _weighted(d),
        "number": d.id,
        "version": d.version,
        "published": int(d.published.timestamp()),
    }


def _path(code: str) -> list[str]:
    """The province, city and county of ``code`` as prefixes."""
    return [code[:2], code[:4], code]


def prefix(code: str) -> str:
    """The prefix that every code below ``code`` has."""
    return {"province": code[:2], "city": code[:4]}.get(level(code), code)


def _weighted(d: Document) -> Weighted:
    counts: Counter[str] = Counter()
    weights: dict[str, float] = {}
    for text, weight in ((d.title, TITLE), (d.extra, EXTRA), (d.body, BODY)):
        for word, count in Counter(analyzer().words(text)).items():
            counts[word] += count
            weights[word] = weights.get(word, 0.0) + weight * count
    return {word: (counts[word], weight) for word, weight in weights.items()}
