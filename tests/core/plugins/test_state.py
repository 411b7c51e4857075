"""The state file: one consistent set, whatever happens around it."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

from keyun.errors import ConfigError
from keyun.plugins import state


def test_a_missing_file_means_that_nothing_is_enabled(tmp_path: Path) -> None:
    assert state.load(tmp_path / "plugins.toml") == state.State()


def test_every_change_has_a_number(tmp_path: Path) -> None:
    path = tmp_path / "plugins.toml"
    assert state.save(path, ["a"]).generation == 1
    assert state.save(path, ["a", "b", "a"]) == state.State(("a", "b"), 2)
    assert state.load(path) == state.State(("a", "b"), 2)


@pytest.mark.parametrize(
    "text", ["enabled = [", 'enabled = "a"', "enabled = [1]", 'generation = "x"', "\xff"]
)
def test_a_damaged_file_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plugins.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"plugins\.toml.*by hand"):
        state.load(path)


def test_a_file_that_cannot_be_opened_is_named_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run this as the account that owns it"):
        state.load(tmp_path)


ADD = """
import pathlib, sys
from keyun.plugins import state
path = pathlib.Path(sys.argv[1])
with state.locked(path):
    state.save(path, [*state.load(path).enabled, sys.argv[2]])
"""


def test_two_administrators_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "plugins.toml"
    both = [subprocess.Popen([sys.executable, "-c", ADD, str(path), f"p{i}"]) for i in range(4)]
    assert [process.wait() for process in both] == [0, 0, 0, 0]
    assert sorted(state.load(path).enabled) == ["p0", "p1", "p2", "p3"]
    assert state.load(path).generation == 4


WRITE = """
import itertools, pathlib, sys
from keyun.plugins import state
path = pathlib.Path(sys.argv[1])
print("begun", flush=True)
for enabled in itertools.cycle((["a", "b", "c"], ["a"])):
    with state.locked(path):
        state.save(path, enabled)
"""


def test_a_writer_killed_at_any_moment_leaves_one_whole_set_no_lock_and_nothing_to_clear(
    tmp_path: Path,
) -> None:
    path, rng, reached = tmp_path / "plugins.toml", random.Random(7), 0
    for _ in range(12):
        with subprocess.Popen([sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == b"begun\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                writer.wait(rng.uniform(0.0, 0.05))
            writer.kill()
        found = state.load(path)
        assert found.enabled in ((), ("a", "b", "c"), ("a",))
        assert found.generation >= reached
        reached = found.generation
    with state.locked(path):
        state.save(path, ["a"])
    assert reached > 0 and sorted(p.name for p in tmp_path.iterdir()) == ["plugins.lock", "plugins.toml"]
