"""The analyzer: one way to cut text for every engine, with places that point into the text as written."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyun.search.analysis import MAX_WORD, analyzer

letters = st.sampled_from("柑橘黄龙病检测的ＡbⅢ㎡²５G.%，。 \n😀İ\ud800豈")
texts = st.text(letters, max_size=40) | st.text(max_size=40)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("推动川渝协同", "川渝"),
        ("建设科技云平台", "科技云"),
        ("柑橘黄龙病防治", "黄龙病"),
        ("５Ｇ 基站", "5g"),
        ("PM2.5 在线监测", "pm2.5"),
        ("Q235 钢的焊接", "q235"),
        ("Machine Learning", "learning"),
    ],
)
def test_words_of_the_field_stay_whole(text: str, word: str) -> None:
    assert word in analyzer().words(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ⅲ类水质", "III类水质"), ("㎏", "kg"), ("①号", "1号"), ("ＰＣＲ检测", "pcr检测"), ("豈", "豈")],
)
def test_two_ways_to_write_the_same_are_the_same_words(one: str, other: str) -> None:
    assert analyzer().words(one) == analyzer().words(other)


def test_stop_words_and_lone_punctuation_are_no_words() -> None:
    assert analyzer().words("我们需要的，是：……！") == []


@settings(max_examples=200, deadline=None)
@given(texts)
def test_folding_keeps_every_place(text: str) -> None:
    assert len(analyzer().fold(text)) == len(text)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("柑橘黄龙病检测的ＡbⅢ㎡²５G.%，。 \n😀豈"), max_size=60))
def test_a_place_points_at_its_word_in_the_text_as_written(text: str) -> None:
    for found in (analyzer().spans(text), analyzer().units(text)):
        for word, start, end in found:
            assert unicodedata.normalize("NFKC", text[start:end]).lower() == word


@settings(max_examples=200, deadline=None)
@given(texts)
def test_words_and_their_places_agree(text: str) -> None:
    assert sorted(analyzer().words(text)) == sorted(s.word for s in analyzer().spans(text))


@settings(max_examples=100, deadline=None)
@given(texts)
def test_units_stand_one_after_the_other(text: str) -> None:
    units = analyzer().units(text)
    assert all(a.end <= b.start for a, b in pairwise(units))


def test_bigrams_stay_within_a_run_of_chinese_characters() -> None:
    assert [b.word for b in analyzer().bigrams("黄龙病PCR检测，钒")] == ["黄龙", "龙病", "检测"]
    assert [(b.start, b.end) for b in analyzer().bigrams("A黄龙")] == [(1, 3)]


def test_a_run_of_machine_text_is_no_word() -> None:
    assert analyzer().words("x" * (MAX_WORD + 1)) == []


def test_importing_the_analyzer_loads_no_dictionary() -> None:
    code = "import sys, keyun.search.analysis; sys.exit('rjieba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
