"""The builder: what is clicked becomes an audience, and an audience comes back as what could be clicked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from keyun_notices.compose.convert import Field, from_json, to_json
from keyun_notices.compose.state import Builder, Clause, Group, press, read

FIELDS = {
    f.name: f
    for f in (
        Field("region", "地区", "region"),
        Field("level", "认证级别", "number", tuple((n, str(n)) for n in range(4)), open=False),
        Field("birth-year", "出生年份", "number"),
        Field("title", "职称", "code", (("a", "高级"), ("b", "中级")), open=False),
        Field("trade", "行业", "code", (("x", "种植"),), open=True),
        Field("interests", "兴趣", "set"),
    )
}
WORDS = st.sampled_from(["茶叶", "柑橘", "x", "a,b", " 空格 "])
LEAVES = st.one_of(
    st.builds(
        lambda codes, on: {"attribute": "region", "within": codes} | ({"on": on} if on else {}),
        st.lists(st.sampled_from(["510000", "511402", "511400"]), min_size=1, max_size=3, unique=True),
        st.sampled_from(["", "2020-01-01"]),
    ),
    st.builds(lambda n: {"attribute": "level", "is": n}, st.integers(0, 3)),
    st.builds(
        lambda n: {"attribute": "level", "in": n}, st.lists(st.integers(0, 3), min_size=1, unique=True)
    ),
    st.builds(lambda a, b: {"attribute": "level", "from": a, "to": b}, st.integers(0, 3), st.integers(0, 3)),
    st.builds(lambda n: {"attribute": "birth-year", "from": n}, st.integers(1900, 2020)),
    st.builds(lambda n: {"attribute": "birth-year", "is": n}, st.integers(1900, 2020)),
    st.builds(
        lambda n: {"attribute": "birth-year", "in": n},
        st.lists(st.integers(1900, 2020), min_size=1, max_size=3),
    ),
    st.builds(lambda v: {"attribute": "title", "is": v}, st.sampled_from(["a", "b"])),
    st.builds(
        lambda v: {"attribute": "trade", "in": v}, st.lists(WORDS, min_size=1, max_size=3, unique=True)
    ),
    st.builds(
        lambda v: {"attribute": "interests", "in": v}, st.lists(WORDS, min_size=1, max_size=3, unique=True)
    ),
)
AUDIENCES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda p: {"not": p}, inner),
        st.builds(lambda p: {"all": p}, st.lists(inner, max_size=4)),
        st.builds(lambda p: {"any": p}, st.lists(inner, max_size=4)),
    ),
    max_leaves=12,
)
PERSON = st.fixed_dictionaries(
    {
        "region": st.sampled_from(["510000", "511402", "511400", "513400"]),
        "level": st.integers(0, 3),
        "birth-year": st.integers(1900, 2020),
        "title": st.sampled_from(["a", "b"]),
        "trade": WORDS,
        "interests": WORDS,
    }
)


def holds(data: Any, person: Mapping[str, Any]) -> bool:
    """The meaning of an audience, said once more and as plainly as possible."""
    if "all" in data:
        return all(holds(p, person) for p in data["all"])
    if "any" in data:
        return any(holds(p, person) for p in data["any"])
    if "not" in data:
        return not holds(data["not"], person)
    value = person[data["attribute"]]
    if "within" in data:
        return any(value.startswith(code.rstrip("0")) for code in data["within"])
    if "is" in data:
        return bool(value == data["is"])
    if "in" in data:
        return value in data["in"]
    return bool(data.get("from", -9999) <= value <= data.get("to", 9999))


@settings(deadline=None)
@given(AUDIENCES, st.lists(PERSON, min_size=5, max_size=20))
def test_what_the_form_can_show_means_the_same_when_it_comes_back(
    data: Any, people: list[dict[str, Any]]
) -> None:
    builder = from_json(data, FIELDS)
    if builder is None:
        return
    back, wrong = to_json(read(typed(builder)), FIELDS)
    assert wrong == {}
    assert [holds(back, p) for p in people] == [holds(data, p) for p in people]
    assert to_json(builder, FIELDS) == (back, {}), "reading the form loses nothing"


def typed(builder: Builder) -> MultiDict[str, str]:
    """What a browser sends for ``builder``, as the template lays it out."""
    sent: list[tuple[str, str]] = [("join", builder.join)]
    for i, group in enumerate(builder.groups):
        sent += [(f"g{i}-join", group.join), *([(f"g{i}-not", "1")] if group.negate else [])]
        for j, c in enumerate(group.clauses):
            key, field = f"g{i}-c{j}", FIELDS[c.attribute]
            others = field.others(c.values) if field.inputs in ("words", "both") else []
            sent += [(f"{key}-attribute", c.attribute), *([(f"{key}-not", "1")] if c.negate else [])]
            sent += [(f"{key}-value", v) for v in c.values if v not in others]
            sent += [(f"{key}-words", "，".join(others)), (f"{key}-from", c.low), (f"{key}-to", c.high)]
            sent += [(f"{key}-on", c.on)]
    return MultiDict(sent)


@pytest.mark.parametrize(
    "data",
    [
        {"all": []},
        {"attribute": "level", "is": 3},
        {"not": {"attribute": "level", "is": 3}},
        {"all": [{"attribute": "title", "in": ["a", "b"]}, {"attribute": "birth-year", "from": 1981}]},
        {
            "all": [
                {"attribute": "region", "within": ["510000"], "on": "2024-01-01"},
                {"any": [{"attribute": "title", "is": "a"}, {"not": {"attribute": "level", "is": 0}}]},
                {"not": {"all": [{"attribute": "level", "is": 1}, {"attribute": "trade", "is": "x"}]}},
            ]
        },
    ],
)
def test_two_levels_with_not_come_back_word_for_word(data: Any) -> None:
    builder = from_json(data, FIELDS)
    assert builder is not None
    assert to_json(builder, FIELDS) == (data, {})


@pytest.mark.parametrize(
    "data",
    [
        {"any": []},
        {"all": [{"any": [{"all": [{"attribute": "level", "is": 1}, {"attribute": "level", "is": 2}]}]}]},
        {"not": {"not": {"attribute": "level", "is": 1}}},
        {"attribute": "title", "is": "gone"},
        {"attribute": "unknown", "is": "a"},
        {"attribute": "interests", "is": "a,b"},
        {"attribute": "region", "is": "511402"},
        {"all": [{"attribute": "level", "is": 1}] * 99},
        {"attribute": ["level"], "is": 1},
        [],
        None,
    ],
)
def test_what_does_not_fit_the_form_stays_json(data: Any) -> None:
    assert from_json(data, FIELDS) is None


@pytest.mark.parametrize(
    ("clause", "word"),
    [
        (Clause("title"), "请至少选一项"),
        (Clause("title", values=("gone",)), "不在可选之列"),
        (Clause("region"), "请至少选一项"),
        (Clause("region", values=("511402",), on="yesterday"), "请填写日期"),
        (Clause("birth-year"), "请填写起或止"),
        (Clause("birth-year", low="１９８１"), "请填写整数"),
        (Clause("birth-year", low="9" * 30), "请填写整数"),
        (Clause("birth-year", low="2000", high="1990"), "起不能大于止"),
        (Clause("unknown", values=("a",)), "没有这个属性"),
    ],
)
def test_a_clause_that_is_not_finished_is_named_and_the_others_stand(clause: Clause, word: str) -> None:
    good = Clause("level", values=("2",))
    data, wrong = to_json(Builder("all", (Group("all", False, (good, clause)),)), FIELDS)
    assert data == {"attribute": "level", "is": 2}
    assert list(wrong) == ["g0-c1"] and word in wrong["g0-c1"]


def test_buttons_add_and_remove_without_touching_the_rest() -> None:
    form = MultiDict({"join": "any", "g0-join": "any", "g0-c0-attribute": "level", "g0-c0-value": "2"})
    form["g0-new"] = "title"
    builder, focus = press(read(form), "add:0", form)
    assert [c.attribute for c in builder.groups[0].clauses] == ["level", "title"]
    assert focus == "g0-c1"
    builder, focus = press(builder, "group", form)
    assert len(builder.groups) == 2 and focus == "g1-new"
    builder, _ = press(builder, "drop:0:0", form)
    assert [c.attribute for c in builder.groups[0].clauses] == ["title"]
    builder, _ = press(builder, "drop:0", form)
    assert builder == Builder("any", (Group(),))


@settings(deadline=None)
@given(
    st.text(max_size=20),
    st.dictionaries(st.sampled_from(["join", "g0-join", "g0-new", "g1-join"]), st.text()),
)
def test_no_button_is_a_fault(do: str, form: dict[str, str]) -> None:
    builder, _ = press(read(MultiDict(form)), do, MultiDict(form))
    assert builder.groups
