"""Numbers and texts as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyun.errors import Invalid
from keyun.testing import MakeSite
from keyun_notices.contacts import sms
from keyun_notices.contacts.phones import digest, masked, normalised
from keyun_notices.contacts.regions import meant
from tests.plugins.notices.conftest import Push


@pytest.mark.parametrize(
    "typed",
    ["13800000000", " 138 0000 0000", "138-0000-0000", "+86 13800000000", "008613800000000", "8613800000000",
     "１３８００００００００"],
)  # fmt: skip
def test_one_number_has_one_form_however_it_is_written(typed: str) -> None:
    assert normalised(typed) == "+8613800000000"


@pytest.mark.parametrize(
    "typed", ["", "110", "12800000000", "+8612345", "+86 2888888888", "138000000000", "x" * 99]
)
def test_what_is_no_mobile_number_is_refused(typed: str) -> None:
    with pytest.raises(Invalid, match="手机号不对"):
        normalised(typed)


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_a_mask_shows_seven_digits_of_eleven(number: str) -> None:
    shown = masked(normalised(number))
    assert shown == f"{number[:3]}****{number[-4:]}"
    assert number not in shown


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_refused_and_its_form_is_stable(text: str) -> None:
    try:
        once = normalised(text)
    except Invalid:
        return
    assert normalised(once) == once


@pytest.mark.parametrize("text", ["退订", "TD", "td.", "退订。", " T ", "退订谢谢", "Unsubscribe", "ＴＤ"])
def test_every_way_to_say_stop_is_understood(text: str) -> None:
    assert sms.read(text).verb == "stop"


@pytest.mark.parametrize(
    ("text", "words"),
    [("DY 511402", "511402"), ("dy511402", "511402"), ("订阅 丹棱", "丹棱"), ("订阅丹棱县", "丹棱县"),
     ("订阅：丹棱。", "丹棱"), ("DY", ""), ("ＤＹ　丹棱", "丹棱")],
)  # fmt: skip
def test_a_wish_to_join_names_its_region(text: str, words: str) -> None:
    assert sms.read(text) == sms.Wish("join", words)


@pytest.mark.parametrize("text", ["", "你好", "dynamic", "今天退订吗", "DYNASTY 511402"])
def test_other_texts_ask_for_nothing(text: str) -> None:
    assert sms.read(text).verb == "nothing"


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        *((words, ["511424"]) for words in ("511424", "511424001", "丹棱", "丹棱县", "眉山市丹棱县")),
        ("四川省眉山市丹棱县", ["511424"]),
        *((words, []) for words in ("火星", "", "999999")),
    ],
)
def test_a_region_is_found_by_code_name_stem_and_full_name(push: Push, words: str, codes: list[str]) -> None:
    assert [c.code for c in meant(push.site.regions, "510000", words)] == codes


def test_a_city_and_a_name_that_several_have_are_asked_about(push: Push) -> None:
    assert "511424" in [c.code for c in meant(push.site.regions, "510000", "眉山")]
    assert len(meant(push.site.regions, "510000", "眉山市")) == 6


def test_the_hash_of_a_number_depends_on_the_key_of_the_site(make_site: MakeSite) -> None:
    one, other = make_site("notices"), make_site("notices")
    (other.runtime.config.secret_file).write_bytes(b"another key of thirty-two bytes!")
    assert digest(one, "+8613800000000") == digest(one, "+8613800000000")
    assert digest(one, "+8613800000000") != digest(other, "+8613800000000")
