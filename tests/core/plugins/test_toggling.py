"""Changing the set: every change is whole, built before it is written, and leaves nothing of the old one."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from keyun.plugins import state
from keyun.serving import record
from keyun.serving.record import ServerRecord

Run = Callable[..., "subprocess.CompletedProcess[str]"]
BUNDLED = ("bayu_bridge", "emergency", "marketplace", "notices", "popsci", "usage")
#: Each page works alone; two with the same address do not go together.
PLUGIN = """
from keyun.plugins import Plugin, hookimpl
from keyun.access import Permission
class P(Plugin):
    @hookimpl
    def keyun_permissions(self):
        return [{permission}]
"""
GOOD = 'Permission("gauge.read", "读数", "readings", frozenset({"staff"}))'


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance to copy from."""
    folder = tmp_path_factory.mktemp("set-up") / "instance"
    done = subprocess.run([sys.executable, "-m", "keyun", "init"], env=environment(folder), check=False)
    assert done.returncode == 0
    return folder


def environment(folder: Path, *packages: Path) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
    path = os.pathsep.join([*map(str, packages), *filter(None, [clean.get("PYTHONPATH")])])
    return clean | {"KEYUN_INSTANCE": str(folder), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def instance(set_up: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(set_up, tmp_path / "instance"))


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


def install(packages: Path, name: str, permission: str) -> None:
    package = packages / f"fixture_{name}"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "plugin.toml").write_text(f'[plugin]\nname = "{name}"\napi = ">=1.0,<2"\n')
    (package / "plugin.py").write_text(PLUGIN.format(permission=permission))
    info = packages / f"fixture_{name}-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fixture-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[keyun.plugins]\n{name} = fixture_{name}.plugin:P\n")


@pytest.fixture
def keyun(instance: Path, packages: Path) -> Run:
    def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "keyun", *arguments]
        env = environment(instance, packages)
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, **more)

    return run


def test_what_cannot_be_built_is_refused_with_every_problem_and_nothing_is_written(
    keyun: Run, instance: Path, packages: Path
) -> None:
    before = (instance / "plugins.toml").read_bytes()
    install(packages, "gauge", "1 / 0")
    install(packages, "meter", "nobody_knows")
    done = keyun("plugins", "enable", "gauge", "meter")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr and "NameError" in done.stderr
    assert "nothing was enabled" in done.stderr, "it says how far it came"
    assert (instance / "plugins.toml").read_bytes() == before


def test_a_plugin_that_is_broken_already_does_not_stop_another_change(
    keyun: Run, instance: Path, packages: Path
) -> None:
    install(packages, "gauge", GOOD)
    assert keyun("plugins", "enable", "gauge").returncode == 0
    install(packages, "gauge", "1 / 0")
    assert keyun("plugins", "disable", "popsci").returncode == 0
    assert keyun("plugins", "enable", "popsci").returncode == 0
    assert keyun("plugins", "disable", "gauge").returncode == 0
    assert set(state.load(instance / "plugins.toml").enabled) == set(BUNDLED)


def test_a_plugin_that_would_break_one_that_works_is_refused(
    keyun: Run, instance: Path, packages: Path
) -> None:
    install(packages, "gauge", GOOD)
    install(packages, "meter", GOOD)
    assert keyun("plugins", "enable", "gauge").returncode == 0
    done = keyun("plugins", "enable", "meter")
    assert done.returncode == 1 and "gauge.read" in done.stderr
    assert "meter" not in state.load(instance / "plugins.toml").enabled


def test_what_the_server_still_serves_is_not_purged(keyun: Run, instance: Path) -> None:
    assert keyun("plugins", "disable", "popsci").returncode == 0
    record.write(instance, ServerRecord(os.getpid(), 1, ("popsci",)))
    done = keyun("plugins", "purge", "popsci", "--yes")
    assert done.returncode == 1 and "still served by the running server" in done.stderr
    record.write(instance, ServerRecord(os.getpid(), 2))
    assert keyun("plugins", "purge", "popsci", "--yes").returncode == 0


def test_two_administrators_at_once_lose_no_change(instance: Path, packages: Path) -> None:
    state.save(instance / "plugins.toml", ["popsci"])
    env = environment(instance, packages)
    verbs = [("enable", "emergency"), ("enable", "marketplace"), ("disable", "popsci")]
    both = [subprocess.Popen([sys.executable, "-m", "keyun", "plugins", *v], env=env) for v in verbs]
    assert [process.wait() for process in both] == [0, 0, 0]
    assert set(state.load(instance / "plugins.toml").enabled) == {"emergency", "marketplace"}
    assert state.load(instance / "plugins.toml").generation == 5


def test_a_command_killed_at_any_moment_leaves_the_old_set_or_the_new_one(
    keyun: Run, instance: Path, packages: Path
) -> None:
    path, rng = instance / "plugins.toml", random.Random(3)
    sets = {frozenset(BUNDLED), frozenset(BUNDLED) - {"popsci"}}
    for n in range(6):
        verb = "enable" if "popsci" not in state.load(path).enabled else "disable"
        command = [sys.executable, "-m", "keyun", "plugins", verb, "popsci"]
        process = subprocess.Popen(command, env=environment(instance, packages), stdout=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.2, 0.6 + n / 2))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert frozenset(state.load(path).enabled) in sets
    assert keyun("plugins", "enable", "popsci").returncode == 0, "no lock stays behind"
    assert json.loads(keyun("plugins", "list", "--json").stdout)


def described(instance: Path, sets: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    program = Path(__file__).with_name("rebuilding.py")
    done = subprocess.run(
        [sys.executable, str(program), str(instance), json.dumps(sets)],
        env=environment(instance), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_twenty_applications_of_one_process_each_equal_one_of_a_fresh_process(instance: Path) -> None:
    distinct: list[list[str]] = [[], list(BUNDLED), ["popsci"], ["marketplace"], ["emergency", "marketplace"]]
    rng = random.Random(20)
    # Every set comes after every other one at least once.
    walk = [*itertools.chain.from_iterable(itertools.permutations(distinct, 2))][:38:2]
    sets = [*walk, list(BUNDLED)]
    rng.shuffle(sets)
    assert len(sets) == 20
    fresh = {tuple(s): described(instance, [s])[0] for s in distinct}
    for number, (enabled, found) in enumerate(zip(sets, described(instance, sets), strict=True)):
        expected = fresh[tuple(enabled)]
        assert found["faults"] == {} and found.keys() == expected.keys()
        for part in expected:
            assert found[part] == expected[part], f"application {number} with {enabled} differs in {part}"
