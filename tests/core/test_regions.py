"""Divisions: subtrees are ranges, and old codes still mean something."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyun.errors import Invalid, NotFound
from keyun.regions import contains, load_file, parent_code, subtree
from keyun.regions.codes import nearness
from keyun.site import Site

MakeSite = Callable[..., Site]
TODAY = dt.date(2026, 11, 24)
codes = st.integers(110000, 659999).map(str)


@given(codes)
def test_a_code_lies_in_everything_above_it(code: str) -> None:
    above: str | None = code
    while above is not None:
        assert contains(above, code)
        low, high = subtree(above)
        assert low <= code <= high
        above = parent_code(above)


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("511424", "511424", "county"),
        ("511424", "511402", "city"),
        ("511424", "510104", "province"),
        ("511424", "500101", None),
        ("511400", "511424", "city"),
        ("510000", "511424", "province"),
        ("100000", "511424", None),
        (None, "511424", None),
    ],
)
def test_nearness_is_the_smallest_level_two_places_share(
    one: str | None, other: str, near: str | None
) -> None:
    assert nearness(one, other) == near


def test_the_bundled_table_covers_the_country(make_site: MakeSite) -> None:
    tree = make_site().regions
    assert tree.name("511424") == "四川省眉山市丹棱县"
    assert len([p for p in tree.below("510000") if p.level == "county" and p.kind == "official"]) == 183
    assert len(tree.below("100000")) > 3300


def test_a_retired_code_resolves_to_its_successor_and_says_so(make_site: MakeSite) -> None:
    found = make_site().regions.resolve("513425", TODAY)
    assert found.place.code == "513402"
    assert "513425" in found.note and "撤销" in found.note


def test_a_code_nobody_knows_resolves_to_what_lies_above(make_site: MakeSite) -> None:
    found = make_site().regions.resolve("511499", TODAY)
    assert found.place.code == "511400"
    assert "511499" in found.note
    with pytest.raises(NotFound):
        make_site().regions.get("000001")


def test_a_table_with_dates_is_read_as_of_a_day(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site()
    table = tmp_path / "regions.csv"
    table.write_text(
        "code,name,level,parent,pinyin,kind,valid_from,valid_to,successor\n"
        "620824,华亭县,county,620800,,official,,2018-07-01,620881\n"
        "620881,华亭市,county,620800,,official,2018-07-01,,\n",
        encoding="utf-8",
    )
    with site.writing() as unit:
        assert load_file(unit.session, table) == 2
    site.runtime.forget("regions")
    assert site.regions.resolve("620824", dt.date(2017, 1, 1)).place.name == "华亭县"
    assert site.regions.resolve("620824", dt.date(2019, 1, 1)).place.name == "华亭市"


def test_a_bad_line_is_named_and_nothing_is_written(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site()
    table = tmp_path / "regions.csv"
    table.write_text("code,name,level\n990000,好,province\n99,坏,province\n", encoding="utf-8")
    with pytest.raises(Invalid, match="line 3"), site.writing() as unit:
        load_file(unit.session, table)
    site.runtime.forget("regions")
    assert "990000" not in site.regions
