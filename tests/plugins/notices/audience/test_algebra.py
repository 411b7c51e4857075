"""Bitmaps, one person's facts and plain Python agree for random people and random expressions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from keyun.errors import Invalid, NotFound
from keyun.regions import Tree, contains
from keyun.regions.services import Place
from keyun_notices.audience import expression as ex
from keyun_notices.audience.evaluate import People, evaluate
from keyun_notices.audience.facts import Facts, meets
from keyun_notices.audience.trial import spread, trial
from keyun_notices.audience.why import Clause, decisive, why
from keyun_notices.people.core import core_attributes

TODAY = dt.date(2026, 11, 1)
ATTRIBUTES = {a.name: a for a in core_attributes()}
CODES = ["510000", "511400", "511402", "511403", "511423", "511422", "510100", "510104", "500000", "500101"]
TOPICS = ["茶叶", "柑橘", "气象"]


def place(code: str, kind: str = "official", **more: Any) -> Place:
    parent = (
        "100000" if code.endswith("0000") else code[:2] + "0000" if code.endswith("00") else code[:4] + "00"
    )
    level = "province" if code.endswith("0000") else "city" if code.endswith("00") else "county"
    values: dict[str, Any] = {"valid_from": None, "valid_to": None, "successor": None, **more}
    return Place(code=code, name=f"地{code}", level=level, parent=parent, pinyin="", kind=kind, **values)


@cache
def places() -> Tree:
    """One county was replaced by another in 2015, another one ended in 2020 without a successor."""
    country = Place("100000", "全国", "country", None, "", "official", None, None, None)
    official = [place(c) for c in CODES if c not in ("511403", "511422", "500101")]
    new = place("511403", valid_from=dt.date(2015, 1, 1))
    old = place("511422", valid_to=dt.date(2015, 1, 1), successor="511403")
    gone = place("500101", valid_to=dt.date(2020, 1, 1))
    return Tree([country, *official, new, old, gone])


PERSON = st.fixed_dictionaries(
    {
        "region": st.none() | st.sampled_from([*CODES, "100000", "511499"]),
        "level": st.integers(0, 3),
        "birth-year": st.none() | st.integers(1978, 1984),
        "interests": st.sets(st.sampled_from(TOPICS)),
    }
)
LEAVES = st.one_of(
    st.builds(ex.Is, st.just("level"), st.integers(0, 4)),
    st.builds(
        ex.In,
        st.just("interests"),
        st.lists(st.sampled_from([*TOPICS, "无"]), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        ex.Between, st.just("birth-year"), st.none() | st.integers(1977, 1985), st.integers(1977, 1985)
    ),
    st.builds(ex.Between, st.just("birth-year"), st.integers(1977, 1985)),
    st.builds(
        ex.Within,
        st.just("region"),
        st.lists(st.sampled_from([*CODES, "100000"]), min_size=1, max_size=3).map(tuple),
        st.none() | st.sampled_from([dt.date(2010, 1, 1), dt.date(2016, 1, 1), dt.date(2024, 1, 1)]),
    ),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(ex.All, st.lists(inner, max_size=3).map(tuple)),
        st.builds(ex.Any, st.lists(inner, max_size=3).map(tuple)),
        st.builds(ex.Not, inner),
    ),
    max_leaves=8,
)


def truth(e: ex.Expression, person: Mapping[str, Any]) -> bool:
    """What an expression means, said once more as plainly as can be."""
    if isinstance(e, ex.All):
        return all(truth(p, person) for p in e.parts)
    if isinstance(e, ex.Any):
        return any(truth(p, person) for p in e.parts)
    if isinstance(e, ex.Not):
        return not truth(e.part, person)
    value = person[e.attribute]
    if isinstance(e, ex.Is):
        return bool(value == e.value)
    if isinstance(e, ex.In):
        return bool(set(e.values) & value)
    if isinstance(e, ex.Between):
        return value is not None and (e.low is None or value >= e.low) and (e.high is None or value <= e.high)
    return value is not None and any(contains(meaning(c, e.on), meaning(value, e.on)) for c in e.codes)


def meaning(code: str, on: dt.date | None) -> str:
    try:
        return places().resolve(code, on or TODAY).place.code if code in places() else code
    except NotFound:
        return code


def gathered(people: list[Mapping[str, Any]], first: int = 1) -> People:
    values: dict[str, dict[Any, BitMap]] = {}
    for number, person in enumerate(people, first):
        for name, value in person.items():
            for one in value if isinstance(value, set) else [] if value is None else [value]:
                values.setdefault(name, {}).setdefault(one, BitMap()).add(number)
    return People(BitMap(range(first, first + len(people))), values)


def facts(people: People, number: int) -> Facts:
    return people.facts(number)


@given(st.lists(PERSON, max_size=12), EXPRESSIONS)
@settings(max_examples=300)
def test_bitmaps_facts_and_plain_python_agree(people: list[Mapping[str, Any]], e: ex.Expression) -> None:
    known = gathered(people)
    found = evaluate(e, known, places(), TODAY)
    assert set(found) == {n for n, p in enumerate(people, 1) if truth(e, p)}
    assert [meets(e, facts(known, n), places(), TODAY) for n in range(1, len(people) + 1)] == [
        truth(e, p) for p in people
    ]


@given(PERSON, EXPRESSIONS)
@settings(max_examples=200)
def test_the_reasons_agree_with_the_verdict(person: Mapping[str, Any], e: ex.Expression) -> None:
    root = why(e, gathered([person]).facts(1), places(), TODAY, ATTRIBUTES)
    assert root.holds == truth(e, person)
    assert all(leaf.kind == "test" and leaf.mine is not None for leaf in decisive(root))
    assert consistent(root)


def consistent(clause: Clause) -> bool:
    """Whether every group follows from its parts."""
    parts = [p.holds for p in clause.parts]
    follows = {"all": all(parts), "any": any(parts), "not": not any(parts), "test": clause.holds}
    return follows[clause.kind] == clause.holds and all(consistent(p) for p in clause.parts)


@given(st.lists(PERSON, max_size=12), EXPRESSIONS)
def test_nobody_outside_the_universe_is_found_and_nothing_is_changed(
    people: list[Mapping[str, Any]], e: ex.Expression
) -> None:
    known = gathered(people, first=5)
    before = {n: {v: set(b) for v, b in k.items()} for n, k in known.values.items()}
    found = evaluate(e, known, places(), TODAY)
    assert found <= known.universe
    found |= BitMap([999])
    assert {n: {v: set(b) for v, b in k.items()} for n, k in known.values.items()} == before
    assert 999 not in known.universe


@given(st.lists(PERSON, min_size=1, max_size=12), EXPRESSIONS)
def test_a_contradiction_is_never_met_and_a_count_is_exact(
    people: list[Mapping[str, Any]], e: ex.Expression
) -> None:
    known = gathered(people)
    tried = trial(e, known, ATTRIBUTES, places(), TODAY)
    assert tried.count == tried.clauses[0].count == sum(truth(e, p) for p in people)
    for caution in tried.warnings:
        counted = next(c for c in tried.clauses if c.path == caution.path)
        if caution.code in ("contradiction", "nobody"):
            assert counted.count == 0
        if caution.code in ("always", "everybody"):
            assert counted.count == len(people)
    assert set(tried.sample) <= set(evaluate(e, known, places(), TODAY))


LEVEL = {"attribute": "level", "is": 3}


@pytest.mark.parametrize(
    "data",
    [
        {"all": [LEVEL, {"attribute": "level", "is": 2}]},
        {"all": [LEVEL, {"not": LEVEL}]},
        {"all": [LEVEL, {"all": [{"attribute": "level", "to": 2}]}]},
        {"all": [{"attribute": "birth-year", "to": 1980}, {"attribute": "birth-year", "from": 1981}]},
        {"all": [{"attribute": "birth-year", "from": 1990, "to": 1980}]},
        {
            "all": [
                {"attribute": "region", "within": ["511400"]},
                {"attribute": "region", "within": ["510100"]},
            ]
        },
        {"all": [{"any": []}]},
    ],
)
def test_what_can_never_be_met_is_said(data: object) -> None:
    expression = ex.parse(data, ATTRIBUTES)
    codes = {(w.code, w.path) for w in trial(expression, gathered([]), ATTRIBUTES, places(), TODAY).warnings}
    assert ("contradiction", "") in codes


@pytest.mark.parametrize(
    "data",
    [
        {"all": [{"attribute": "interests", "is": "茶叶"}, {"attribute": "interests", "is": "柑橘"}]},
        {"all": [LEVEL, {"attribute": "level", "from": 2}]},
        {
            "all": [
                {"attribute": "region", "within": ["510000"]},
                {"attribute": "region", "within": ["511402"]},
            ]
        },
    ],
)
def test_what_can_be_met_is_no_contradiction(data: object) -> None:
    expression = ex.parse(data, ATTRIBUTES)
    found = trial(expression, gathered([]), ATTRIBUTES, places(), TODAY).warnings
    assert "contradiction" not in {w.code for w in found}


def test_nobody_everybody_always_and_retired_codes_are_said() -> None:
    person = {"region": "511403", "level": 3, "birth-year": None, "interests": set[str]()}
    expression = ex.parse(
        {
            "any": [
                {"attribute": "interests", "is": "茶叶"},
                {"attribute": "region", "within": ["511422"]},
                LEVEL,
                {"not": LEVEL},
            ]
        },
        ATTRIBUTES,
    )
    found = trial(expression, gathered([person]), ATTRIBUTES, places(), TODAY).warnings
    assert {(w.code, w.path) for w in found} == {
        ("always", ""),
        ("everybody", ""),
        ("nobody", "any[0]"),
        ("everybody", "any[1]"),
        ("retired", "any[1]"),
        ("everybody", "any[2]"),
        ("nobody", "any[3]"),
        ("everybody", "any[3].not"),
    }
    retired = next(w for w in found if w.code == "retired")
    assert "511422" in retired.says.zh and "511403" in retired.says.en


def test_an_unknown_code_is_refused_wherever_it_stands() -> None:
    hidden = ex.parse({"any": [{"all": []}, {"attribute": "region", "within": ["519999"]}]}, ATTRIBUTES)
    for call in (
        lambda: evaluate(hidden, gathered([]), places(), TODAY),
        lambda: meets(hidden, Facts(1), places(), TODAY),
        lambda: trial(hidden, gathered([]), ATTRIBUTES, places(), TODAY),
        lambda: why(hidden, Facts(1), places(), TODAY, ATTRIBUTES),
    ):
        with pytest.raises(Invalid):
            call()


def test_a_closed_account_is_in_no_audience() -> None:
    assert not meets(ex.EVERYBODY, Facts(1, active=False), places(), TODAY)


def test_words_name_values_and_the_person() -> None:
    person = {"region": "511402", "level": 2, "birth-year": 1980, "interests": {"茶叶"}}
    expression = ex.parse(
        {
            "all": [
                {"attribute": "level", "from": 3},
                {"attribute": "region", "within": ["511400"], "on": "2024-01-01"},
                {"attribute": "title", "from": 4},
            ]
        },
        ATTRIBUTES,
    )
    level, region, title = why(expression, gathered([person]).facts(1), places(), TODAY, ATTRIBUTES).parts
    assert (level.holds, level.asks.zh, level.mine and level.mine.zh) == (
        False,
        "认证等级不低于 职业认证",
        "实名认证",
    )
    assert level.asks.en == "verification from profession verified"
    assert region.holds and "2024-01-01" in region.asks.zh
    assert title.mine and (title.mine.zh, title.mine.en) == ("未填写", "not stated")


def test_a_sample_is_spread_and_the_same_each_time() -> None:
    found = BitMap(range(100, 200))
    assert spread(found, 4) == [100, 125, 150, 175] == spread(found, 4)
    assert spread(BitMap([7]), 4) == [7] and spread(BitMap(), 4) == []
