"""Each plugin of tests/plugins_broken on a site that works otherwise: named, and nobody else is hurt."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROBE = Path(__file__).with_name("isolation_probe.py")
BROKEN = Path(__file__).parents[2] / "plugins_broken"
BUNDLED = ["bayu_bridge", "emergency", "marketplace", "notices", "popsci", "usage"]
#: Plugins that must not be loaded, with words of the reason.
FAULTED = {
    "bad_import": "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
    "bad_syntax": "SyntaxError",
    "bad_toml": "plugin.toml",
    "bad_key": "unknown key(s) colour",
    "bad_api": "needs plugin API >=9",
    "bad_extra": "pip install 'keyun[heavy]'",
    "bad_template": "layout.html",
    "bad_translation": "messages.mo",
    "lost_page": "'lost_page.show' is no page of it that takes public_id",
    "exit_import": "SystemExit: 3",
    "odd_import": "Odd: neither an Exception nor an exit",
    "popsci_more": "its tables would look like those of popsci",
    "home": "not be reserved",
    "lost_relationship": "expression 'Nothing' failed to locate a name",
    "lost_backref": "no property 'nothing_of_that_name'",
    "lost_key": "could not find table 'nowhere_table'",
    "half_models": "RuntimeError: half-way",
    "taken_table": "Table 'core_user' is already defined",
    "taken_type": "takes the type 'popsci.article', which belongs to popsci",
    "wrong_permissions": "keyun_permissions failed with TypeError: it returned str",
    "wrong_roles": "unknown role(s) emperor",
    "double_permission": "double_permission.thing.edit is declared twice",
    "core_permission": "must be named 'core_permission.…'",
    "wrong_job": "every must be a number of seconds above 0",
    "wrong_blueprint": "it returned str, not an iterable of Blueprint",
    "wrong_schema": "'NoSuchSchema' was not found",
    "unmarked_view": "mark the view(s) unmarked_view.index @public or @requires(...)",
    "misnamed_blueprint": "must be named after 'misnamed_blueprint'",
    "whole_site": "act on the whole site (before_request_funcs)",
}
#: Plugins that load and fail later, with a log line that names them.
SPOILED = {
    "failing_menu": "plugin failing_menu failed in keyun_menu",
    "failing_fragment": "plugin failing_fragment failed in keyun_fragment",
    "failing_screen": "plugin failing_screen failed in keyun_content_screen",
    "failing_committed": "plugin failing_committed failed in keyun_committed",
    "failing_login": "plugin failing_login failed in keyun_authenticate",
    "failing_channels": "plugin failing_channels failed in keyun_message_channels",
    "wrong_login": "plugin wrong_login failed in keyun_authenticate",
    "failing_work": "job .* failed, attempt 1",
    "exit_hook": "plugin exit_hook failed in keyun_committed",
    "deep_recursion": "plugin deep_recursion failed in keyun_fragment",
    "wrong_menu": "plugin wrong_menu failed in keyun_menu",
    "wrong_entries": "menu entry 'popsci.show' is left out",
    "wrong_weight": "plugin wrong_weight failed in keyun_menu",
    "endless_menu": "plugin endless_menu failed in keyun_menu",
    "slow_menu": "plugin slow_menu took .* ms in keyun_menu",
}
#: Several at once, and those that are odd without being broken.
MIXED = ("cycle_hen+cycle_egg", "chatty", "failing_checks", "failing_migration",
         "namesake+reader+lost_relationship+half_models")  # fmt: skip
Reports = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """What the probe saw, by plugin."""
    instance = tmp_path_factory.mktemp("isolation") / "instance"
    env = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
    env |= {"KEYUN_INSTANCE": str(instance)}
    subprocess.run([sys.executable, "-m", "keyun", "init"], env=env, check=True, capture_output=True)
    command = [sys.executable, str(PROBE), str(instance), *FAULTED, *SPOILED, *MIXED]
    answer = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    found: Reports = {}
    for line in answer.stdout.splitlines():
        found |= json.loads(line)
    return found


@pytest.mark.parametrize("name", [*FAULTED, *SPOILED, *MIXED])
def test_the_site_serves_whatever_one_plugin_does(reports: Reports, name: str) -> None:
    report = reports[name]
    assert "crashed" not in report, report.get("crashed")
    assert set(report["active"]) >= set(BUNDLED)
    assert set(report["pages"].values()) == {200}, report["pages"]
    content = report["content"]
    assert content["classes"] == ["keyun_popsci.models.Article"]
    assert content["same"], "every way of asking for content finds the same"
    assert content["state"] == ("submitted" if name == "failing_screen" else "published")
    assert report["login"] is None
    assert report["printed"] == "", "standard output belongs to results"


@pytest.mark.parametrize(("name", "words"), FAULTED.items())
def test_what_cannot_be_loaded_is_named_with_the_reason(reports: Reports, name: str, words: str) -> None:
    report = reports[name]
    assert list(report["faults"]) == [name]
    assert words in report["faults"][name][0]
    assert report["readyz"]["faulted"] == report["faults"]
    assert name not in report["active"]


@pytest.mark.parametrize(("name", "words"), SPOILED.items())
def test_what_fails_later_is_logged_by_name_and_dropped(reports: Reports, name: str, words: str) -> None:
    report = reports[name]
    assert name in report["active"] and report["faults"] == {}
    assert any(re.search(words, line) for line in report["log"]), report["log"]


def test_a_menu_keeps_what_can_be_shown(reports: Reports) -> None:
    for name in ("failing_menu", "wrong_menu", "wrong_entries", "wrong_weight", "endless_menu", "exit_hook"):
        home = reports[name]["home"]
        assert 'href="/popsci/"' in home and "又一个" not in home and "没有这一页" not in home


def test_plugins_in_a_circle_are_both_named(reports: Reports) -> None:
    faults = reports["cycle_hen+cycle_egg"]["faults"]
    assert set(faults) == {"cycle_hen", "cycle_egg"}


def test_a_plugin_without_its_tables_is_pending(reports: Reports) -> None:
    report = reports["failing_migration"]
    assert report["pending"] == report["readyz"]["pending"] == ["failing_migration"]


def test_a_class_named_like_one_of_the_core_takes_no_reference_away(reports: Reports) -> None:
    report = reports["namesake+reader+lost_relationship+half_models"]
    assert set(report["faults"]) == {"lost_relationship", "half_models"}
    assert {"namesake", "reader"} <= set(report["active"])


def test_a_failing_job_is_tried_again_and_the_worker_goes_on(reports: Reports) -> None:
    jobs = reports["failing_work"]["jobs"]
    assert jobs["failing_work.job"] == ["queued", "RuntimeError: it did not work"]
    assert jobs["failing_work.leave"] == ["queued", "SystemExit: 0"]


def test_a_hook_that_is_too_slow_is_suspended_for_every_process(reports: Reports) -> None:
    assert reports["slow_menu"]["readyz"]["suspended"] == {"slow_menu": ["keyun_menu"]}


def test_every_broken_plugin_is_tried_and_described() -> None:
    here = {p.name for p in BROKEN.iterdir() if p.is_dir()}
    tried = {n for name in [*FAULTED, *SPOILED, *MIXED] for n in name.split("+")}
    assert here - tried == {"crash_import"}, "it ends the process; see test_isolation_cli.py"
    described = set(re.findall(r"^\| `(\w+)`", (BROKEN / "README.md").read_text(encoding="utf-8"), re.M))
    assert described == here
