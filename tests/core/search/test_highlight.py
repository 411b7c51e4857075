"""Highlighting shows the current text and nothing but the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyun.search.highlight import PIECE, best_piece, runs
from keyun.search.question import ask

PARTS = st.sampled_from(["柑橘", "黄龙病", "的", "，", "<b>", " ", "PCR", "ＰＣＲ", "😀", "İ", "x", "検"])
PIECES = st.lists(PARTS, max_size=60)


def joined(parts: object) -> str:
    return "".join(text for text, _ in parts)  # type: ignore[attr-defined]


@given(PIECES.map("".join))
def test_runs_joined_give_the_text_back(text: str) -> None:
    assert joined(runs(text, ["柑橘", "pcr", "黄龙病"])) == text
    assert all(part for part, _ in runs(text, ["柑橘"]))


@given(PIECES.map("".join), st.integers(1, 40))
def test_a_piece_is_a_part_of_the_text(text: str, length: int) -> None:
    piece = joined(best_piece(text, ["柑橘", "黄龙病"], length))
    assert piece.removeprefix("…").removesuffix("…") in text or piece in text
    assert len(piece) <= length + 2


def test_matches_are_marked_in_any_width_and_case() -> None:
    assert runs("用ＰＣＲ检测", ["pcr"]) == [("用", False), ("ＰＣＲ", True), ("检测", False)]


def test_a_compound_marks_its_parts_together() -> None:
    assert runs("四川晚熟柑橘", ["晚熟", "柑橘", "晚熟柑橘"]) == [("四川", False), ("晚熟柑橘", True)]


def test_the_piece_with_most_matches_is_chosen() -> None:
    text = "柑橘" + "。水稻" * 100 + "柑橘黄龙病" + "。小麦" * 100
    piece = best_piece(text, ["柑橘", "黄龙病"])
    assert ("柑橘黄龙病", True) in piece
    assert piece[0] == ("…", False)
    assert len(joined(piece)) <= PIECE + 2


def test_a_text_without_matches_shows_its_beginning() -> None:
    assert best_piece("水稻" * 100, ["柑橘"]) == [("水稻" * 60, False), ("…", False)]
    assert best_piece("", ["柑橘"]) == []


@pytest.mark.parametrize(
    "text, required, better",
    [
        ("晚熟柑橘", ["晚熟", "柑橘"], ["晚熟柑橘"]),
        ("柑橘黄龙病检测", ["柑橘", "黄龙病", "检测"], []),
        ("四川农业大学", ["四川", "农业", "大学"], ["农业大学"]),
        ("我们需要检测，检测", ["检测"], []),
        ("的", [], []),
    ],
)
def test_a_question_asks_for_parts_that_cover_a_compound(
    text: str, required: list[str], better: list[str]
) -> None:
    question = ask(text)
    assert (list(question.required), list(question.better)) == (required, better)
