"""``keyun plugins order``: the order depends on nothing but manifests and the file, and it is explained."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from keyun.cli import cli
from keyun.plugins.explain import places, winners
from keyun.plugins.manifest import Manifest
from keyun.plugins.order import plan
from keyun.site import Site
from keyun.testing import MakeInstance

WritePlugin = Callable[..., Path]
NAMES = [f"p{i}" for i in range(8)]
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


def manifest(name: str, **more: object) -> Manifest:
    point = EntryPoint(name, f"x_{name}.plugin:P", "keyun.plugins")
    return Manifest(name=name, title=name, api=SpecifierSet(">=1.0"), root=Path(), entry_point=point, **more)  # type: ignore[arg-type]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, Manifest], list[str]]:
    """Manifests without a cycle (each looks back only), some standing in for plugins that are off."""
    made: dict[str, Manifest] = {}
    for number, name in enumerate(NAMES):
        before = NAMES[:number]
        some = st.lists(st.sampled_from(before), unique=True, max_size=3) if before else st.just([])
        requires, after = draw(some), draw(some)
        stands_in = draw(st.sampled_from([None, None, "replaces", "extends"]))
        more = {stands_in: f"base{number}"} if stands_in == "replaces" else {}
        made[name] = manifest(name, requires=tuple(requires), after=tuple(after), **more)
    return made, draw(st.permutations(NAMES))


def server(need: str, enabled: dict[str, Manifest]) -> str | None:
    return next((m.name for m in enabled.values() if m.slot == need), None)


@settings(deadline=None)
@given(worlds(), st.randoms())
def test_the_order_is_total_stable_and_keeps_every_constraint(
    world: tuple[dict[str, Manifest], list[str]], chance: random.Random
) -> None:
    manifests, enabled = world
    chosen = plan(enabled, manifests, "1.0")
    names = [m.name for m in chosen.order]
    assert sorted([*names, *chosen.problems]) == sorted(NAMES), "each is loaded or has a problem"
    loaded = {n: manifests[n] for n in names}
    for name, m in loaded.items():
        for need in (*m.requires, *m.after):
            served = server(need, loaded)
            if served not in (None, name):
                assert names.index(served) < names.index(name), f"{name} before {need}"
    shuffled = list(manifests.items())
    chance.shuffle(shuffled)
    assert [m.name for m in plan(enabled, dict(shuffled), "1.0").order] == names


@settings(deadline=None)
@given(worlds())
def test_without_constraints_the_file_decides(world: tuple[dict[str, Manifest], list[str]]) -> None:
    _, enabled = world
    free = {n: manifest(n) for n in NAMES}
    assert [m.name for m in plan(enabled, free, "1.0").order] == enabled


@settings(deadline=None)
@given(worlds())
def test_every_place_is_explained_by_what_stands_before_it(
    world: tuple[dict[str, Manifest], list[str]],
) -> None:
    manifests, enabled = world
    found = places(plan(enabled, manifests, "1.0").order, enabled)
    assert [p.number for p in found] == list(range(1, len(found) + 1))
    earlier = set()
    for place in found:
        assert place.because
        for reason in place.because:
            word, _, rest = reason.partition(" ")
            if word in ("requires", "after"):
                need = rest.partition(":")[0].partition(" ")[0]
                assert need in earlier
        earlier |= {place.name, place.slot}


def test_a_stand_in_says_whose_place_it_takes() -> None:
    base, shelf = manifest("popsci"), manifest("shelf", replaces="popsci")
    leaning = manifest("leaning", requires=("popsci",))
    chosen = plan(["leaning", "shelf"], {m.name: m for m in (base, shelf, leaning)}, "1.0")
    first, second = places(chosen.order, ["leaning", "shelf"])
    assert first.because[0] == "replaces popsci: stands in its place"
    assert second.because == ("requires popsci (served by shelf): loads after it", "number 1 in plugins.toml")


CODE = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_search_backend(self, site):
        return None
"""


@on_sqlite
def test_who_wins_is_said_for_hooks_templates_and_translations(
    make_instance: MakeInstance, write_plugin: WritePlugin, make_site: Callable[..., Site]
) -> None:
    for name, more in (("early", ""), ("late", 'after = ["early"]')):
        package = write_plugin(name, CODE, more)
        (package / "templates/keyun").mkdir(parents=True)
        (package / "templates/keyun/layout.html").write_text("{% extends '@core/keyun/layout.html' %}")
        (package / "translations").mkdir()
    site = make_site("late", "early")
    (site.runtime.instance / "templates/keyun").mkdir(parents=True)
    (site.runtime.instance / "templates/keyun/layout.html").write_text(
        "{% extends '@late/keyun/layout.html' %}"
    )
    wins = winners(site)
    assert wins.first_answer["keyun_search_backend"] == ("late", "early", "core")
    assert wins.templates == {"keyun/layout.html": ("instance", "late", "early", "core")}
    assert wins.translations == ("core", "late", "early")
    done = CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), "plugins", "order", "--json"])
    said = json.loads(done.stdout)
    assert [p["name"] for p in said["order"]] == ["early", "late"]
    assert said["winners"]["templates"] == {"keyun/layout.html": ["instance", "late", "early", "core"]}
    text = CliRunner().invoke(cli, ["--instance", str(site.runtime.instance), "plugins", "order"]).stdout
    assert "1. early: number 2 in plugins.toml; waits for nobody" in text
    assert "2. late: after early: loads after it; number 1 in plugins.toml" in text
    assert "late > early > core" in text
