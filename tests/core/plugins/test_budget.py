"""The time that hooks may take: measured, logged, suspended for all processes, and cleared again."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyun.access import anonymous, system
from keyun.content.types import Draft
from keyun.plugins.budget import SKIPPABLE, WINDOW, Budget
from keyun.plugins.manager import PluginManager
from keyun.testing import Clock

WritePlugin = Callable[..., Path]

MENU = """
from keyun.plugins import Fragment, MenuItem, Plugin, hookimpl

class P(Plugin):
    @hookimpl
    def keyun_menu(self, actor):
        yield MenuItem("home.index", self.name)

    @hookimpl
    def keyun_content_screen(self, actor, draft):
        return None
"""
WRAPPER = """
from keyun.plugins import MenuItem, Plugin, hookimpl

class P(Plugin):
    @hookimpl(wrapper=True)
    def keyun_menu(self, actor):
        return [*(yield), MenuItem("home.index", "added")]
"""
DRAFT = Draft("x.y", "题", "", "", "510000")


class Ticks:
    """A timer that stands still but for what ``takes`` adds to each call."""

    def __init__(self) -> None:
        self.now, self.step = 0.0, 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now

    def takes(self, milliseconds: float) -> None:
        """From now on, each measured call takes so long."""
        self.step = milliseconds / 1000


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def budget(tmp_path: Path, clock: Clock, ticks: Ticks) -> Budget:
    return Budget(300, tmp_path / "run" / "suspended.json", clock, ticks)


@pytest.fixture
def manager(write_plugin: WritePlugin, budget: Budget) -> Iterator[PluginManager]:
    write_plugin("quick", MENU)
    write_plugin("slow", MENU)
    yield PluginManager.load(["quick", "slow"], budget=budget)


def call(budget: Budget, times: int, hook: str = "keyun_menu", plugin: str = "slow") -> None:
    for _ in range(times):
        with budget.measured(plugin, hook):
            pass


def test_every_call_is_measured(manager: PluginManager, budget: Budget, ticks: Ticks) -> None:
    for milliseconds in (5, 20, 10):
        ticks.takes(milliseconds)
        manager.menu(anonymous())
    timing = budget.timings["slow", "keyun_menu"]
    assert (timing.calls, round(timing.total), round(timing.worst), round(timing.last)) == (3, 35, 20, 10)


def test_the_first_call_of_a_process_may_warm_up(budget: Budget, ticks: Ticks) -> None:
    ticks.takes(5000)
    call(budget, 1)
    assert budget.slow() == ()


def test_three_breaches_within_an_hour_suspend_one_hook_of_one_plugin(
    manager: PluginManager, budget: Budget, ticks: Ticks, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ticks.takes(301)
    call(budget, 3)
    assert budget.suspended() == {}
    assert "plugin slow took 301 ms in keyun_menu" in caplog.text
    call(budget, 1)
    assert manager.suspended() == {"slow": ["keyun_menu"]}
    assert "keyun plugins clear slow" in caplog.text
    ticks.takes(0)
    assert [i.label for i in manager.menu(anonymous())] == ["quick"]
    clock.tick(dt.timedelta(days=30))
    assert manager.suspended() == {"slow": ["keyun_menu"]}, "only an operator lifts it"


def test_breaches_that_lie_far_apart_suspend_nothing(budget: Budget, ticks: Ticks, clock: Clock) -> None:
    ticks.takes(301)
    call(budget, 1)
    for _ in range(10):
        call(budget, 1)
        clock.tick(WINDOW / 2)
    assert budget.suspended() == {}


def test_what_is_fast_enough_breaks_nothing(budget: Budget, ticks: Ticks) -> None:
    ticks.takes(299)
    call(budget, 50)
    assert budget.slow() == ()


@pytest.mark.parametrize("hook", ["keyun_content_screen", "keyun_committed"])
def test_what_protects_people_is_measured_and_never_left_out(
    manager: PluginManager, budget: Budget, ticks: Ticks, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert hook not in SKIPPABLE
    ticks.takes(1000)
    call(budget, 9, hook)
    assert f"plugin slow took 1000 ms in {hook}" in caplog.text
    assert budget.suspended() == {} and budget.left_out(hook) == frozenset()
    assert manager.screen(system(), DRAFT) == []
    assert budget.timings["slow", "keyun_content_screen"].calls


def test_another_process_notices_and_so_does_its_clearing(
    budget: Budget, ticks: Ticks, clock: Clock, tmp_path: Path
) -> None:
    other = Budget(300, budget.path, clock)
    ticks.takes(400)
    call(budget, 4)
    assert other.suspended() == {"slow": ["keyun_menu"]}
    assert other.clear("slow") == ["keyun_menu"]
    assert budget.suspended() == {}
    assert other.clear("slow") == [], "clearing twice is no error"
    call(budget, 2)
    assert budget.suspended() == {}, "clearing forgets the breaches too"


COUNT = """
import datetime as dt, pathlib, sys
from keyun.plugins.budget import Budget
budget = Budget(0, pathlib.Path(sys.argv[1]), timer=iter(range(1000)).__next__)
for _ in range(2):
    with budget.measured(sys.argv[2], "keyun_menu"):
        pass
"""


def test_breaches_of_all_processes_count_together(tmp_path: Path) -> None:
    path = tmp_path / "suspended.json"
    names = ["slow", "slow", "slow", "other"]
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, str(path), name]) for name in names]
    assert [p.wait() for p in processes] == [0, 0, 0, 0]
    budget = Budget(path=path)
    assert budget.suspended() == {"slow": ["keyun_menu"]}
    assert {s.plugin: len(s.at) for s in budget.slow()} == {"slow": 3, "other": 1}


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"plugin": "slow"}]', '{"a": 1}', "\udcff"])
def test_a_damaged_file_suspends_nothing_and_is_written_anew(
    budget: Budget, ticks: Ticks, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert budget.path is not None
    budget.path.parent.mkdir()
    budget.path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert budget.suspended() == {}
    assert "suspended.json cannot be read" in caplog.text
    ticks.takes(400)
    call(budget, 4)
    assert budget.suspended() == {"slow": ["keyun_menu"]}
    assert json.loads(budget.path.read_text())[0]["worst_ms"] == 400


def test_a_wrapper_answers_for_its_own_time_only(write_plugin: WritePlugin, ticks: Ticks) -> None:
    write_plugin("inner", MENU)
    write_plugin("outer", WRAPPER)
    budget = Budget(300, timer=ticks)
    manager = PluginManager.load(["inner", "outer"], budget=budget)
    ticks.takes(400)
    for _ in range(4):
        assert [i.label for i in manager.menu(anonymous())] == ["inner", "added"]
    # Each look at the timer takes 400 ms: the wrapper looks twice around what is inside.
    assert budget.timings["inner", "keyun_menu"].last == pytest.approx(400)
    assert budget.timings["outer", "keyun_menu"].last == pytest.approx(800)
    ticks.takes(0)
    assert manager.suspended() == {"inner": ["keyun_menu"], "outer": ["keyun_menu"]}
    assert manager.menu(anonymous()) == []


@given(st.lists(st.tuples(st.integers(0, 90), st.booleans()), max_size=40))
def test_it_is_suspended_exactly_when_an_hour_has_three_breaches(steps: list[tuple[int, bool]]) -> None:
    clock, ticks = Clock(), Ticks()
    budget = Budget(300, None, clock, ticks)
    call(budget, 1)
    breaches: list[dt.datetime] = []
    expected = False
    for minutes, is_slow in steps:
        clock.tick(dt.timedelta(minutes=minutes))
        ticks.takes(500 if is_slow else 1)
        call(budget, 1)
        breaches += [clock.now] * is_slow
        expected = expected or len([b for b in breaches if clock.now - b < WINDOW]) >= 3
        assert bool(budget.suspended()) is expected
