"""Broken plugins at the command line: each command says what is wrong, and the core is always reached."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keyun.plugins.budget import Budget

BROKEN = Path(__file__).parents[1] / "plugins_broken"
Keyun = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "instance"


@pytest.fixture
def keyun(folder: Path) -> Keyun:
    """``keyun("plugins", "list")`` on an instance where every broken plugin is installed, none enabled."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
    found = os.pathsep.join(str(p) for p in sorted(BROKEN.iterdir()) if p.is_dir())
    env = clean | {"KEYUN_INSTANCE": str(folder), "PYTHONPATH": found}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "keyun", *arguments]
        return subprocess.run(command, env=env | more, capture_output=True, text=True, check=False)

    assert run("init").returncode == 0
    return run


def by_hand(folder: Path, *names: str) -> None:
    """Enable ``names`` beside what is enabled, as an editor would."""
    path = folder / "plugins.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("enabled = [", "enabled = [" + "".join(f'"{n}", ' for n in names)))


def state_of(keyun: Keyun, name: str) -> str:
    answer = keyun("plugins", "list", "--json")
    assert answer.returncode == 0, answer.stderr
    return str(next(r["state"] for r in json.loads(answer.stdout) if r["name"] == name))


def test_every_broken_plugin_is_refused_by_enable_and_nothing_changes(keyun: Keyun, folder: Path) -> None:
    before = (folder / "plugins.toml").read_text()
    for name in ("bad_import", "bad_key", "lost_relationship", "half_models", "unmarked_view", "exit_import",
                 "taken_type", "crash_import", "failing_migration"):  # fmt: skip
        answer = keyun("plugins", "enable", name)
        assert answer.returncode == 1, name
        assert name in answer.stderr
        assert (folder / "plugins.toml").read_text() == before
    with sqlite3.connect(folder / "keyun.db") as db:
        tables = {r[0] for r in db.execute("SELECT name FROM sqlite_master")}
    db.close()
    assert "failing_migration_thing" not in tables


def test_strict_says_by_its_exit_code_that_something_is_faulted(keyun: Keyun, folder: Path) -> None:
    assert keyun("plugins", "list", "--strict").returncode == 0
    by_hand(folder, "half_models")
    assert keyun("plugins", "list").returncode == 0
    answer = keyun("plugins", "list", "--strict", "--json")
    assert answer.returncode == 1
    assert (
        "half-way" in next(r for r in json.loads(answer.stdout) if r["name"] == "half_models")["problems"][0]
    )
    refused = keyun("serve", "--strict", "--port", "1")
    assert refused.returncode == 1
    assert "half-way" in refused.stderr and "keyun plugins disable half_models" in refused.stderr


def test_a_plugin_that_ends_the_process_is_got_rid_of(keyun: Keyun, folder: Path) -> None:
    by_hand(folder, "crash_import")
    assert keyun("doctor").returncode == 3, "the plugin decided how the process ends"
    assert keyun("doctor", KEYUN_SAFE_MODE="1").returncode == 0
    assert keyun("plugins", "list", KEYUN_SAFE_MODE="1").returncode == 0
    assert keyun("plugins", "disable", "crash_import").returncode == 0
    assert keyun("doctor").returncode == 0


def test_an_upgrade_goes_on_without_the_lineage_that_fails(keyun: Keyun, folder: Path) -> None:
    assert keyun("plugins", "disable", "popsci").returncode == 0
    assert keyun("db", "downgrade", "popsci", "base", "--yes").returncode == 0
    by_hand(folder, "failing_migration", "popsci")
    answer = keyun("db", "upgrade")
    assert answer.returncode == 1
    assert "upgraded: popsci" in answer.stdout
    assert "failing_migration: its migration failed (RuntimeError: disk full)" in answer.stderr
    assert state_of(keyun, "failing_migration") == "pending-migration"
    assert state_of(keyun, "popsci") == "active"


def test_what_a_plugin_prints_stays_out_of_results(keyun: Keyun) -> None:
    assert keyun("plugins", "enable", "chatty").returncode == 0
    for command in (("plugins", "list", "--json"), ("doctor", "--json"), ("users", "list", "--json")):
        answer = keyun(*command)
        json.loads(answer.stdout)
    assert "noise" in answer.stderr


def test_failing_work_is_named_where_it_fails(keyun: Keyun, tmp_path: Path) -> None:
    assert keyun("plugins", "enable", "failing_work", "failing_checks").returncode == 0
    command = keyun("failing_work", "now")
    assert command.returncode == 1
    assert "plugin failing_work failed in this command (RuntimeError: it did not work)" in command.stderr
    rows = tmp_path / "rows.csv"
    rows.write_text("name\nanything\n")
    imported = keyun("import", "failures", str(rows))
    assert imported.returncode == 1
    assert "importer failures failed at records 1 to 1 (RuntimeError: it did not work)" in imported.stderr
    missing = keyun("failing_checks", "now")
    assert (
        missing.returncode == 1 and "keyun_commands failed with RuntimeError: no commands" in missing.stderr
    )
    report = keyun("doctor", "--json")
    assert report.returncode == 1
    found = {c["check"]: c["problems"] for c in json.loads(report.stdout)["checks"]}
    assert found["failing check"] == ["the check itself failed: RuntimeError: it did not work"]
    assert found["leaving check"] == ["the check itself failed: SystemExit: 0"]
    assert found["checks of failing_checks"] == [
        "failing_checks: keyun_checks failed with RuntimeError: cannot say"
    ]
    assert found["match index"] == []


def test_a_suspended_hook_is_shown_and_cleared(keyun: Keyun, folder: Path) -> None:
    path = folder / "run" / "suspended.json"
    budget = Budget(0, path, timer=iter(range(100)).__next__)
    for _ in range(4):
        with budget.measured("popsci", "keyun_menu"):
            pass
    rows = {r["name"]: r for r in json.loads(keyun("plugins", "list", "--json").stdout)}
    assert rows["popsci"]["suspended"] == ["keyun_menu"] and rows["popsci"]["state"] == "active"
    for command in (("plugins", "list"), ("plugins", "show", "popsci"), ("doctor",)):
        assert "run `keyun plugins clear popsci`" in keyun(*command).stdout
    assert keyun("doctor").returncode == 1
    assert keyun("plugins", "clear", "popsci").stdout == "popsci: keyun_menu runs again\n"
    assert keyun("plugins", "clear", "popsci").stdout == "popsci: nothing was suspended\n"
    assert keyun("plugins", "clear", "nosuch").returncode == 1
    assert keyun("doctor").returncode == 0
