"""``keyun doctor``: 0 on a healthy instance with any set of plugins, 1 with problems and their repair."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from keyun.access import system
from keyun.accounts import User
from keyun.cli import cli
from keyun.config import FILE
from keyun.jobs import JobRow
from keyun.plugins import state
from keyun.site import Site

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MakeInstance = Callable[..., Path]


def doctor(instance: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--instance", str(instance), "doctor", *words])


def healthy(make_instance: MakeInstance, *plugins: str, **config: Any) -> Path:
    folder = make_instance(*plugins, **config)
    (folder / "secret.key").chmod(0o600)
    return folder


@pytest.fixture
def sound(make_instance: MakeInstance) -> Path:
    """A healthy instance without plugins."""
    return healthy(make_instance)


def problems(instance: Path) -> dict[str, list[str]]:
    done = doctor(instance, "--json")
    found = json.loads(done.stdout)
    bad = {c["check"]: c["problems"] for c in found["checks"] if c["problems"]}
    assert (done.exit_code, found["healthy"]) == ((1, False) if bad else (0, True))
    return bad


@pytest.mark.parametrize("plugins", [(), ("popsci",), ("marketplace", "popsci", "emergency")])
def test_a_healthy_instance_is_exit_0_with_any_set_of_plugins(
    make_instance: MakeInstance, plugins: tuple[str, ...]
) -> None:
    done = doctor(healthy(make_instance, *plugins))
    assert done.exit_code == 0, done.output
    assert "BAD" not in done.stdout and "ok   database" in done.stdout


def test_a_folder_nobody_set_up_is_one_sentence_and_stays_untouched(backend: str, tmp_path: Path) -> None:
    done = doctor(tmp_path / "nowhere")
    assert done.exit_code == 1
    assert done.stderr == f"keyun: {tmp_path / 'nowhere'} is not set up yet; run `keyun init`\n"
    assert not (tmp_path / "nowhere").exists()


def test_the_key_must_be_there_and_private(sound: Path) -> None:
    (sound / "secret.key").chmod(0o644)
    assert "chmod 600" in problems(sound)["secret key"][0]
    (sound / "secret.key").unlink()
    assert "keyun init" in problems(sound)["secret key"][0]


def test_a_bad_configuration_is_named(sound: Path) -> None:
    (sound / FILE).write_text("[web]\nport = 99999999\n", encoding="utf-8")
    found = problems(sound)
    assert list(found) == ["configuration"]
    assert "web.port" in found["configuration"][0]


def test_an_unreachable_database_is_named(sound: Path) -> None:
    url = "postgresql://keyun@127.0.0.1:1/keyun"
    (sound / FILE).write_text(f'database_url = "{url}"\n', encoding="utf-8")
    assert "cannot be reached" in problems(sound)["database"][0]


def test_an_empty_database_asks_for_init(sound: Path, tmp_path: Path) -> None:
    (sound / FILE).write_text(f'database_url = "sqlite:///{tmp_path}/empty.db"\n', encoding="utf-8")
    assert problems(sound) == {"database": ["the database is empty; run `keyun init`"]}


def test_a_damaged_state_file_is_named(sound: Path) -> None:
    (sound / "plugins.toml").write_text("enabled = [", encoding="utf-8")
    assert str(sound / "plugins.toml") in problems(sound)["plugin state"][0]


def test_a_pending_plugin_asks_for_the_upgrade(sound: Path) -> None:
    state.save(sound / "plugins.toml", ["popsci"])
    assert any("keyun db upgrade" in p for p in problems(sound)["plugins"])


def test_a_missing_plugin_is_named(sound: Path) -> None:
    state.save(sound / "plugins.toml", ["nosuchplugin"])
    assert any("nosuchplugin" in p for p in problems(sound)["plugins"])


def test_a_home_region_that_does_not_exist_is_named(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYUN_SITE__REGION", "999999")
    assert "999999" in problems(sound)["regions"][0]


def test_dead_jobs_are_counted(sound: Path, make_site: Callable[..., Site]) -> None:
    site = make_site(instance=sound)
    with site.writing() as unit:
        unit.session.add(JobRow(name="core.sweep", state="dead", created_at=unit.now, run_at=unit.now))
    assert "1 dead job(s)" in problems(sound)["jobs"][0]


def test_events_the_index_has_not_read_are_no_problem(sound: Path, make_site: Callable[..., Site]) -> None:
    site = make_site(instance=sound)
    with site.writing() as unit:
        unit.record("user.registered", "user", 1, system())
    assert problems(sound) == {}


def test_it_looks_and_changes_nothing(sound: Path, make_site: Callable[..., Site]) -> None:
    before = sorted(p.name for p in sound.iterdir() if not p.name.startswith("keyun.db"))
    doctor(sound)
    assert sorted(p.name for p in sound.iterdir() if not p.name.startswith("keyun.db")) == before
    with make_site(instance=sound).reading() as unit:
        assert unit.session.scalar(sa.select(sa.func.count()).select_from(User)) == 0
