"""The load order is a pure function over manifests."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from keyun.plugins.manifest import Manifest
from keyun.plugins.order import lineages, plan


def manifest(name: str, **more: Any) -> Manifest:
    entry = EntryPoint(name, f"x_{name}:P", "keyun.plugins")
    api = SpecifierSet(more.pop("api", ">=1.0"))
    return Manifest(name=name, title=name, api=api, root=Path("/"), entry_point=entry, **more)


def planned(enabled: list[str], *manifests: Manifest) -> tuple[list[str], dict[str, list[str]]]:
    result = plan(enabled, {m.name: m for m in manifests}, "1.0")
    return [m.name for m in result.order], {n: list(p) for n, p in result.problems.items()}


def test_a_required_plugin_loads_first_whatever_the_file_says() -> None:
    assert planned(["b", "a"], manifest("a"), manifest("b", requires=("a",))) == (["a", "b"], {})


def test_the_file_breaks_ties() -> None:
    assert planned(["c", "a", "b"], manifest("a"), manifest("b"), manifest("c"))[0] == ["c", "a", "b"]


def test_after_is_ignored_while_the_other_plugin_is_off() -> None:
    assert planned(["b"], manifest("b", after=("a",))) == (["b"], {})


def test_a_missing_requirement_names_the_command_to_run() -> None:
    order, problems = planned(["b"], manifest("a"), manifest("b", requires=("a",)))
    assert order == []
    assert problems == {"b": ["b requires a; run `keyun plugins enable a`"]}


def test_a_plugin_that_is_not_installed_leaves_the_others_alone() -> None:
    order, problems = planned(["gone", "a"], manifest("a"))
    assert order == ["a"]
    assert "pip install it or run `keyun plugins disable gone`" in problems["gone"][0]


def test_a_wrong_api_version_takes_those_that_need_it_along() -> None:
    order, problems = planned(
        ["a", "b", "c"], manifest("a", api=">=2"), manifest("b", requires=("a",)), manifest("c")
    )
    assert order == ["c"]
    assert "needs plugin API >=2, this Keyun offers 1.0" in problems["a"][0]
    assert "b requires a" in problems["b"][0]


def test_a_replacement_satisfies_a_requirement() -> None:
    order, problems = planned(
        ["user", "mine"], manifest("a"), manifest("mine", replaces="a"), manifest("user", requires=("a",))
    )
    assert (order, problems) == (["mine", "user"], {})


def test_two_plugins_for_one_slot_name_the_one_to_disable() -> None:
    order, problems = planned(["a", "mine"], manifest("a"), manifest("mine", replaces="a"))
    assert order == ["a"]
    assert problems["mine"] == ["mine and a both serve a; run `keyun plugins disable a`"]


def test_a_circle_is_shown_as_a_path_and_the_rest_loads() -> None:
    order, problems = planned(
        ["a", "b", "c"], manifest("a", requires=("b",)), manifest("b", requires=("a",)), manifest("c")
    )
    assert order == ["c"]
    assert problems["a"][0].startswith("plugins wait for each other: ")


def test_all_problems_are_reported_at_once() -> None:
    _, problems = planned(["x", "y"], manifest("x", requires=("p", "q"), api=">=9"))
    assert len(problems["x"]) == 3
    assert "y" in problems


def test_an_extension_needs_the_tables_of_its_base() -> None:
    manifests = {m.name: m for m in (manifest("a"), manifest("mine", extends="a"))}
    assert lineages(["mine"], manifests) == ["a", "mine"]


@given(st.data())
def test_the_order_never_puts_a_plugin_before_what_it_needs(data: st.DataObject) -> None:
    names = [f"p{i}" for i in range(data.draw(st.integers(1, 8)))]
    manifests = [
        manifest(
            n,
            requires=tuple(
                data.draw(st.lists(st.sampled_from(names[:i] or ["none"]), max_size=3, unique=True))
            )
            if i
            else (),
        )
        for i, n in enumerate(names)
    ]
    enabled = data.draw(st.permutations(names))
    order, problems = planned(list(enabled), *manifests)
    assert problems == {}
    assert sorted(order) == sorted(names)
    for m in manifests:
        for need in m.requires:
            assert order.index(need) < order.index(m.name)
