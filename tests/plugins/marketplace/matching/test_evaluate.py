"""The evaluation: the bars on labelled sets, and clear words for broken ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from keyun_marketplace.matching.evaluate import (
    EvaluationError,
    engine_of,
    evaluate,
    load,
    measure,
    ndcg,
    recall,
    reciprocal_rank,
)


def dev_set(name: str) -> Path:
    root = os.environ.get("KEYUN_EVALUATION_DATA")
    if not root:
        pytest.skip("KEYUN_EVALUATION_DATA is not set: the labelled sets are not here")
    return Path(root) / "matching" / "dev" / name


@pytest.mark.parametrize(
    ("name", "mode", "bar"),
    [
        ("need-body", "none", 0.890),
        ("need-body", "declared", 0.935),
        ("need-body-noisy", "declared", 0.925),
        ("need-offer", "none", 0.970),
        ("need-offer", "declared", 0.980),
        ("question-passage", "none", 0.965),
    ],
)
def test_the_engine_reaches_its_bar(name: str, mode: str, bar: float) -> None:
    found = load(dev_set(name))
    assert measure(found, engine_of(found, mode), lambda text: None, "keyun")["ndcg@10"] >= bar


def test_a_predicted_field_is_better_than_none() -> None:
    found = load(dev_set("need-body"))
    scores = [
        measure(found, engine_of(found, mode), lambda text: None, "keyun")["ndcg@10"]
        for mode in ("none", "predicted")
    ]
    assert scores[1] > scores[0]


def write_set(folder: Path, needs: int = 3) -> Path:
    crops = ("柑橘黄龙病检测", "钒钛合金熔炼", "水质在线监测")
    offers: list[dict[str, object]] = [
        {"id": f"o{i}", "title": c, "keywords": [], "body": c, "discipline": None}
        for i, c in enumerate(crops)
    ]
    asked = [{"id": f"n{i}", "text": crops[i], "discipline": None} for i in range(needs)]
    (folder / "offers.jsonl").write_text("\n".join(json.dumps(o) for o in offers), encoding="utf-8")
    (folder / "needs.jsonl").write_text("\n".join(json.dumps(n) for n in asked), encoding="utf-8")
    (folder / "qrels.tsv").write_text("".join(f"n{i}\to{i}\t1\n" for i in range(needs)))
    return folder


def test_both_engines_run_over_one_set(tmp_path: Path) -> None:
    result = evaluate(write_set(tmp_path))
    assert set(result) == {"needs", "offers", "engine", "baseline"}
    assert (result["needs"], result["offers"], result["baseline"]["name"]) == (3, 3, "whoosh")
    assert set(result["engine"]) == {"ndcg@10", "mrr@10", "recall@20", "ms_p50", "ms_p99"}
    assert result["engine"]["ndcg@10"] == 1.0


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("offers.jsonl", "{", "line 1: not JSON"),
        ("needs.jsonl", '{"id": "n0"}', "needs the keys id, text"),
        ("qrels.tsv", "n0 o0 1", "separated by tabs"),
        ("qrels.tsv", "n9\to0\t1", "stands in no file"),
    ],
)
def test_a_broken_set_names_file_and_line(tmp_path: Path, file: str, text: str, words: str) -> None:
    (write_set(tmp_path) / file).write_text(text)
    with pytest.raises(EvaluationError, match=words):
        evaluate(tmp_path)


def test_a_missing_file_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"offers\.jsonl"):
        evaluate(tmp_path)


def test_the_measures_are_the_textbook_ones() -> None:
    grades = {"a": 1.0}
    assert ndcg(["x", "a"], grades, 10) == pytest.approx(0.6309, abs=1e-4)
    assert reciprocal_rank(["x", "a"], grades, 10) == 0.5
    assert recall(["x", "a"], grades, 20) == 1.0
    assert ndcg([], grades, 10) == 0.0
