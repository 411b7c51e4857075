"""Expressions: what they say survives being written down, and what is wrong is named with its place."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyun.errors import Invalid
from keyun_notices.audience import expression as ex
from keyun_notices.audience.attributes import LEAST, MOST, Attribute
from keyun_notices.people.core import core_attributes

ATTRIBUTES = {a.name: a for a in core_attributes()}
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)
NUMBERS = st.integers(LEAST, MOST)


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, min_size=1, max_size=4, unique=True).map(tuple)


LEAVES = st.one_of(
    st.builds(ex.Is, st.sampled_from(["kind", "interests", "organization-kind"]), TEXTS),
    st.builds(ex.Is, st.sampled_from(["level", "title", "birth-year"]), NUMBERS),
    st.builds(ex.In, st.just("interests"), some(TEXTS)),
    st.builds(ex.In, st.just("title"), some(NUMBERS)),
    st.builds(ex.Between, st.just("birth-year"), NUMBERS, st.none() | NUMBERS),
    st.builds(ex.Between, st.just("birth-year"), st.none(), NUMBERS),
    st.builds(
        ex.Within,
        st.just("region"),
        some(st.from_regex(r"[0-9]{6}", fullmatch=True)),
        st.none() | st.dates(dt.date(1949, 10, 1), dt.date(2100, 1, 1)),
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
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
WORDS = ["all", "any", "not", "attribute", "is", "in", "from", "to", "within", "on"]
#: JSON that comes close: the right words in the wrong places.
NEARLY = st.recursive(
    JSON_VALUES | st.sampled_from([*ATTRIBUTES, "510000", "2024-01-01", "2024-02-31"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
        | st.builds(
            lambda a, v: {"attribute": a, **v},
            st.sampled_from([*ATTRIBUTES]),
            st.dictionaries(st.sampled_from(WORDS), inner, max_size=2),
        )
    ),
    max_leaves=10,
)


def read(data: object) -> ex.Expression:
    return ex.parse(data, ATTRIBUTES)


@given(EXPRESSIONS)
def test_what_is_written_down_is_read_again(expression: ex.Expression) -> None:
    assert read(json.loads(json.dumps(ex.dump(expression)))) == expression


@given(JSON_VALUES | NEARLY)
def test_whatever_comes_in_is_an_expression_or_refused_with_words(data: object) -> None:
    try:
        found = read(data)
    except Invalid as e:
        assert e.fields["audience"] and str(e)
    else:
        assert read(ex.dump(found)) == found


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"all": [{"any": [{"attribute": "level", "is": "3"}]}]}, "all[0].any[0].is"),
        ({"not": {"attribute": "nothing", "is": 1}}, "not.attribute"),
        ({"all": [], "any": []}, "/"),
        ([], "/"),
        ({"all": {}}, "all"),
        ({"attribute": "level", "is": True}, "is"),
        ({"attribute": "level", "is": 2**31}, "is"),
        ({"attribute": "level", "is": 1, "in": [1]}, "/"),
        ({"attribute": "level"}, "/"),
        ({"attribute": "interests", "in": []}, "in"),
        ({"attribute": "interests", "in": ["茶", ""]}, "in[1]"),
        ({"attribute": "interests", "in": ["a\x00"]}, "in[0]"),
        ({"attribute": "interests", "from": 1}, "/"),
        ({"attribute": "birth-year", "from": None}, "/"),
        ({"attribute": "region", "is": "510000"}, "is"),
        ({"attribute": "region", "within": ["51"]}, "within[0]"),
        ({"attribute": "region", "within": ["510000"], "on": "2024-02-31"}, "on"),
        ({"attribute": "level", "within": ["510000"]}, "/"),
    ],
)
def test_a_mistake_is_named_with_its_place(data: object, place: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(data)
    assert refused.value.fields["audience"][0].startswith(f"{place}：")


def nested(depth: int) -> object:
    data: object = {"all": []}
    for _ in range(depth - 1):
        data = {"not": data}
    return data


def test_depth_clauses_and_values_are_bounded() -> None:
    read(nested(ex.DEPTH))
    one = {"attribute": "level", "is": 1}
    read({"all": [one] * (ex.LEAVES - 1)})
    read({"attribute": "birth-year", "in": list(range(ex.VALUES))})
    for data in (
        nested(ex.DEPTH + 1),
        nested(100_000),
        {"all": [one] * ex.LEAVES},
        {"attribute": "birth-year", "in": list(range(ex.VALUES + 1))},
        {"attribute": "region", "within": [f"{n:06}" for n in range(ex.VALUES + 1)]},
    ):
        with pytest.raises(Invalid):
            read(data)


def test_every_part_has_its_place() -> None:
    expression = read({"all": [{"not": {"any": [{"attribute": "level", "is": 1}]}}]})
    assert [path for path, _ in ex.walk(expression)] == ["", "all[0]", "all[0].not", "all[0].not.any[0]"]
    assert [type(leaf) for leaf in ex.leaves(expression)] == [ex.Is]


def test_attributes_say_what_their_values_are_called() -> None:
    assert ATTRIBUTES["level"].choice(3).title == "职业认证"
    assert ATTRIBUTES["birth-year"].choice(1981).title == "1981"
    assert isinstance(ATTRIBUTES["title"], Attribute)
