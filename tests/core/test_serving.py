"""The parts of the server that decide: what is wanted, what is taken, what is said, and when to try again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keyun.plugins import state
from keyun.serving import candidate, record, watch
from keyun.serving.backoff import QUICK_SECONDS, Backoff
from keyun.serving.candidate import Report
from keyun.serving.record import Refusal, ServerRecord
from keyun.serving.supervisor import objections
from keyun.serving.watch import Settled, Watcher


def test_a_candidate_is_taken_unless_it_loses_what_serves() -> None:
    serving = Report(plugins=("a", "b"))
    assert objections(Report(plugins=("a",)), serving) == ()
    assert objections(Report(plugins=("a", "b"), faults={"c": ("c is new and broken",)}), serving) == ()
    assert objections(Report(plugins=("a",), faults={"b": ("b: 1", "b: 2")}), serving) == ("b: 1", "b: 2")
    assert objections(Report(reasons=("no database",)), serving) == ("no database",)
    assert objections(Report(faults={"b": ("b: 1",)}), None) == (), "the rest serves when nothing did"
    assert objections(Report(faults={"b": ("b: 1",)}), None, strict=True) == ("b: 1",)


def test_a_value_counts_when_it_has_stood_still() -> None:
    settled = Settled("old", 1.0)
    assert settled.see("old", 100.0) == "old"
    assert settled.see("half", 100.2) == "old"
    assert settled.see("new", 100.9) == "old"
    assert settled.see("new", 101.8) == "old"
    assert settled.see("new", 101.9) == "new"


def test_the_pause_grows_with_each_quick_end_and_is_forgotten_after_a_long_life() -> None:
    now, pauses = 1000.0, []
    waiting = Backoff(lambda: now)
    for _ in range(7):
        waiting.started()
        pauses.append(waiting.ended())
        assert waiting.may_start() is (pauses[-1] == 0.0)
        now += pauses[-1]
        assert waiting.may_start()
    assert pauses == [0.0, 1.0, 3.0, 7.0, 15.0, 30.0, 30.0]
    waiting.started()
    now += QUICK_SECONDS
    assert waiting.ended() == 0.0


def test_the_record_says_all_of_it_and_nothing_of_a_dead_server(tmp_path: Path) -> None:
    refused = Refusal(3, ("b: broken", "and more"), "2027-01-01T00:00:00+00:00", {"b": ("b: broken",)})
    full = ServerRecord(os.getpid(), 2, ("a",), {"c": ("c: out",)}, {"web": (1, 2), "jobs": (3,)}, refused)
    assert record.read(tmp_path) is None
    record.write(tmp_path, full)
    assert record.read(tmp_path) == full
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    record.write(tmp_path, ServerRecord(ended.pid))
    assert record.read(tmp_path) is None
    record.remove(tmp_path)
    record.remove(tmp_path)
    assert list((tmp_path / record.FOLDER).iterdir()) == []


def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    record.write(tmp_path, ServerRecord(os.getpid()))
    for text in ("", "[]", '{"pid": "x"}', '{"plugins": []}'):
        record.path_of(tmp_path).write_text(text)
        assert record.read(tmp_path) is None
        record.nudge(tmp_path)
    record.remove(tmp_path)
    assert list((tmp_path / record.FOLDER).iterdir()) == []


def test_the_record_of_another_server_stays(tmp_path: Path) -> None:
    other = ServerRecord(os.getppid(), plugins=("a",))
    record.write(tmp_path, other)
    record.remove(tmp_path)
    assert record.read(tmp_path) == other


def test_a_plugin_that_hangs_while_it_is_tried_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate, "TRIAL_SECONDS", 0.01)
    assert "did not end within" in candidate.trial(tmp_path, ()).reasons[0]


def test_the_set_is_taken_from_the_file_and_a_damaged_file_says_so(tmp_path: Path) -> None:
    state.save(tmp_path / "plugins.toml", ["a", "b"])
    wish = Watcher(tmp_path).look()
    assert (wish.enabled, wish.generation, wish.damage) == (("a", "b"), 1, "")
    safe = Watcher(tmp_path, safe=True).look()
    assert (safe.enabled, safe.generation) == ((), 1)
    (tmp_path / "plugins.toml").write_text("enabled = 3")
    assert "plugins.toml" in Watcher(tmp_path).look().damage


def test_a_running_server_can_be_asked_to_look_again(tmp_path: Path) -> None:
    record.nudge(tmp_path)
    assert list(tmp_path.iterdir()) == [], "nobody is there to be asked"
    before = Watcher(tmp_path).look().nudge
    record.write(tmp_path, ServerRecord(os.getpid()))
    record.nudge(tmp_path)
    assert Watcher(tmp_path).look().nudge != before


def install(packages: Path, version: str, code: str = "", *, requires: str = "") -> None:
    for old in packages.glob("*.dist-info"):
        shutil.rmtree(old)
    package = packages / "fixture_gauge"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("raise AssertionError('nobody imports a plugin to look at it')")
    (package / "plugin.toml").write_text('[plugin]\nname = "gauge"\napi = ">=1.0,<2"\n')
    info = packages / f"fixture_gauge-{version}.dist-info"
    info.mkdir()
    need = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fixture-gauge\nVersion: {version}\n{need}")
    (info / "entry_points.txt").write_text("[keyun.plugins]\ngauge = fixture_gauge.plugin:P\n")
    (info / "RECORD").write_text(f"fixture_gauge/plugin.py,sha256={code},\n")


def library(packages: Path, name: str, version: str) -> None:
    for old in packages.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    info = packages / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_installed_code_counts_by_its_content_and_no_plugin_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))

    def found() -> str:
        return watch.fingerprint(watch.manifests())

    without = found()
    install(tmp_path, "1.0", "aaa")
    first = found()
    assert first != without
    install(tmp_path, "1.0", "aaa")
    assert found() == first, "the same again is no change"
    install(tmp_path, "1.0", "bbb")
    assert found() != first, "other code under the same version is one"
    install(tmp_path, "1.1", "aaa", requires="fixture-below>=1")
    library(tmp_path, "fixture_other", "1.0")
    second = found()
    library(tmp_path, "fixture_other", "2.0")
    assert found() == second, "what no plugin stands on does not matter"
    library(tmp_path, "fixture_below", "1.0")
    third = found()
    assert third != second, "what a plugin stands on does"
    (tmp_path / "fixture_gauge" / "plugin.toml").write_text('[plugin]\nname = "gauge"\napi = ">=9"\n')
    assert found() != third
    assert "fixture_gauge" not in sys.modules


def test_an_installation_counts_again_when_pip_has_written_its_last_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(watch, "INSTALLATION_EVERY", 0.0)
    monkeypatch.setattr(watch, "INSTALLATION_SETTLES", 0.0)
    install(tmp_path, "1.0", "aaa")
    last = tmp_path / "fixture_gauge-1.0.dist-info" / "RECORD"
    note = last.read_text()
    last.unlink()
    watcher = Watcher(tmp_path)
    half = watcher.look().installed
    last.write_text(note)
    assert watcher.look().installed != half
    assert watcher.look() == watcher.look()


@pytest.mark.parametrize(
    "text", ["[keyun.plugins]\nodd = no-package:P\n", "[console_scripts]\nno equals sign\n"]
)
def test_an_installation_that_cannot_be_read_ends_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(watch, "INSTALLATION_EVERY", 0.0)
    monkeypatch.setattr(watch, "INSTALLATION_SETTLES", 0.0)
    watcher = Watcher(tmp_path)
    before = watcher.look().installed
    library(tmp_path, "fixture_odd", "1.0")
    entries = tmp_path / "fixture_odd-1.0.dist-info" / "entry_points.txt"
    entries.write_text(text)
    assert watcher.look().installed
    shutil.rmtree(entries.parent)
    assert watcher.look().installed == before, "and it is noticed when that is gone"


def test_the_manifest_of_a_plugin_installed_for_development_counts_although_the_server_knows_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages, sources = tmp_path / "site", tmp_path / "work" / "keyun-plugin-later"
    (packages / "later-1.0.dist-info").mkdir(parents=True)
    (sources / "keyun_later").mkdir(parents=True)
    info = packages / "later-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: later\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[keyun.plugins]\nlater = keyun_later.plugin:P\n")
    (info / "direct_url.json").write_text(
        json.dumps({"url": sources.as_uri(), "dir_info": {"editable": True}})
    )
    manifest = sources / "keyun_later" / "plugin.toml"
    manifest.write_text('[plugin]\nname = "later"\napi = ">=1.0,<2"\n')
    monkeypatch.syspath_prepend(str(packages))
    assert manifest in watch.manifests()
    before = watch.fingerprint(watch.manifests())
    manifest.write_text('[plugin]\nname = "later"\napi = ">=1.0,<2"\nscreens = true\n')
    assert watch.fingerprint(watch.manifests()) != before
