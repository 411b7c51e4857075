"""Measure the engine and plain Whoosh BM25 on one labelled set, in one run, without any database."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyun.search import Analyzer, analyzer
from keyun_marketplace.matching.engine import Matcher
from keyun_marketplace.matching.kernels import choose
from keyun_marketplace.matching.records import Query, Record

Progress = Callable[[str], None]
TOP = 20
WARM = 5


class EvaluationError(ValueError):
    """A labelled set cannot be read; the text names file, line and what belongs there."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A set: offers and needs in the order of the files, and for each need the grades of its offers."""

    offers: Sequence[Record]
    offer_ids: Sequence[str]
    needs: Sequence[Mapping[str, Any]]
    grades: Mapping[str, Mapping[str, float]]


def evaluate(
    folder: Path, discipline: str | None = None, progress: Progress = lambda text: None
) -> dict[str, Any]:
    """Run both engines over the set in ``folder``.

    ``discipline`` is ``declared``, ``predicted`` or ``none``; by default declared where the set has
    any. Returns ``needs``, ``offers``, ``engine`` and ``baseline`` with nDCG@10, MRR@10, recall@20 and
    the process CPU milliseconds of one need (segmentation and explanation included; p50, p99).

    :raises EvaluationError: when the set is incomplete or damaged.
    """
    found = load(folder)
    mode = discipline or ("declared" if any(n.get("discipline") for n in found.needs) else "none")
    progress(f"{folder}: {len(found.needs)} needs, {len(found.offers)} offers, discipline {mode}")
    engine = measure(found, engine_of(found, mode), progress, "keyun")
    with whoosh_of(found, analyzer()) as run:
        baseline = measure(found, run, progress, "whoosh")
    return {
        "needs": len(found.needs),
        "offers": len(found.offers),
        "engine": engine,
        "baseline": {"name": "whoosh", **baseline},
    }


def load(folder: Path) -> Labelled:
    """Read ``offers.jsonl``, ``needs.jsonl`` and ``qrels.tsv``."""
    offers, ids = [], []
    for number, row in enumerate(_lines(folder / "offers.jsonl", ("id", "title", "body")), 1):
        ids.append(str(row["id"]))
        offers.append(
            Record(
                number,
                "offer",
                row["title"] or "",
                tuple(row.get("keywords") or ()),
                row["body"] or "",
                row.get("discipline") or None,
            )
        )
    needs = list(_lines(folder / "needs.jsonl", ("id", "text")))
    return Labelled(
        offers, ids, needs, _grades(folder / "qrels.tsv", set(ids), {str(n["id"]) for n in needs})
    )


def engine_of(found: Labelled, mode: str) -> Callable[[Mapping[str, Any]], Sequence[str]]:
    """The matcher over the offers of the set."""
    matcher = Matcher.of(found.offers, analyzer(), choose())

    def run(need: Mapping[str, Any]) -> Sequence[str]:
        declared = need.get("discipline") if mode == "declared" else None
        query = Query(body=str(need["text"]), discipline=declared or None, predict=mode == "predicted")
        answer = matcher.match(query, {"offer": TOP})
        return [found.offer_ids[c.key - 1] for c in answer.candidates["offer"]]

    return run


@contextlib.contextmanager
def whoosh_of(found: Labelled, analysis: Analyzer) -> Iterator[Callable[[Mapping[str, Any]], Sequence[str]]]:
    """Plain Whoosh BM25F over the same words: title counting twice, keywords, body; any word may match."""
    from whoosh import fields, query
    from whoosh.analysis import SpaceSeparatedTokenizer
    from whoosh.index import create_in

    def text(boost: float) -> Any:
        return fields.TEXT(analyzer=SpaceSeparatedTokenizer(), phrase=False, field_boost=boost)

    schema = fields.Schema(id=fields.STORED, title=text(2.0), keywords=text(1.0), body=text(1.0))
    with tempfile.TemporaryDirectory(prefix="keyun-evaluation-") as place:
        index = create_in(place, schema)
        writer = index.writer(limitmb=256)
        for label, offer in zip(found.offer_ids, found.offers, strict=True):
            writer.add_document(
                id=label,
                title=" ".join(analysis.words(offer.title)),
                keywords=" ".join(analysis.words("，".join(offer.keywords))),
                body=" ".join(analysis.words(offer.body)),
            )
        writer.commit()
        with index.searcher() as searcher:

            def run(need: Mapping[str, Any]) -> Sequence[str]:
                words = dict.fromkeys(analysis.words(str(need["text"])))
                asked = query.Or([query.Term(f, w) for w in words for f in ("title", "keywords", "body")])
                return [hit["id"] for hit in searcher.search(asked, limit=TOP)]

            yield run


def measure(
    found: Labelled, run: Callable[[Mapping[str, Any]], Sequence[str]], progress: Progress, name: str
) -> dict[str, float]:
    """Quality and CPU time of ``run`` over every need."""
    for need in found.needs[:WARM]:
        run(need)
    gains, ranks, recalls, times = [], [], [], []
    for number, need in enumerate(found.needs, 1):
        start = time.process_time()
        ranked = run(need)
        times.append((time.process_time() - start) * 1000)
        grades = found.grades.get(str(need["id"]), {})
        gains.append(ndcg(ranked, grades, 10))
        ranks.append(reciprocal_rank(ranked, grades, 10))
        recalls.append(recall(ranked, grades, TOP))
        if number % 250 == 0:
            progress(f"{name}: {number} needs")
    times.sort()
    return {
        "ndcg@10": _mean(gains),
        "mrr@10": _mean(ranks),
        "recall@20": _mean(recalls),
        "ms_p50": round(_quantile(times, 0.5), 3),
        "ms_p99": round(_quantile(times, 0.99), 3),
    }


def ndcg(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Normalised discounted cumulative gain at ``k`` (Järvelin and Kekäläinen 2002, log base 2)."""
    gain = sum(grades.get(d, 0.0) / math.log2(i + 2) for i, d in enumerate(ranked[:k]))
    ideal = sum(g / math.log2(i + 2) for i, g in enumerate(sorted(grades.values(), reverse=True)[:k]))
    return gain / ideal if ideal else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """One over the rank of the first relevant offer within ``k``; 0 when there is none."""
    return next((1 / (i + 1) for i, d in enumerate(ranked[:k]) if grades.get(d, 0) > 0), 0.0)


def recall(ranked: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """The share of the relevant offers that stand within ``k``."""
    relevant = {d for d, g in grades.items() if g > 0}
    return len(relevant & set(ranked[:k])) / len(relevant) if relevant else 0.0


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def _lines(path: Path, required: Sequence[str]) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise EvaluationError(
            f"{path}: {e}; a set needs offers.jsonl, needs.jsonl and qrels.tsv in UTF-8"
        ) from e
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as e:
            raise EvaluationError(f"{path}, line {number}: not JSON ({e}); correct the line") from e
        if not isinstance(row, dict) or (missing := [k for k in required if k not in row]):
            raise EvaluationError(
                f"{path}, line {number}: needs the keys {', '.join(required)}; missing {missing}"
            )
        yield row


def _grades(path: Path, offers: set[str], needs: set[str]) -> dict[str, dict[str, float]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise EvaluationError(f"{path}: {e}; it holds need id, offer id and grade, tab-separated") from e
    grades: dict[str, dict[str, float]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            need, offer, grade = line.split("\t")
            value = float(grade)
        except ValueError:
            raise EvaluationError(
                f"{path}, line {number}: need id, offer id and grade separated by tabs"
            ) from None
        if need not in needs or offer not in offers:
            raise EvaluationError(f"{path}, line {number}: {need} or {offer} stands in no file of this set")
        grades.setdefault(need, {})[offer] = value
    return grades
