"""``keyun plugins`` as an administrator uses it: one consistent state, every refusal with its repair."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Keyun = Callable[..., "subprocess.CompletedProcess[str]"]
WritePlugin = Callable[..., Path]

BUNDLED = ("bayu_bridge", "emergency", "marketplace", "notices", "popsci", "usage")
PLUGIN = "from keyun.plugins import Plugin\nclass P(Plugin):\n    pass\n"
MIGRATION = """
    import sqlalchemy as sa
    from alembic import op
    revision, down_revision, branch_labels, depends_on = "0001", None, None, None
    def upgrade():
        op.create_table("{name}_thing", sa.Column("id", sa.Integer, primary_key=True))
        {then}
    def downgrade():
        op.drop_table("{name}_thing")
"""


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def write_plugin(site_packages: Path) -> WritePlugin:
    def write(
        name: str, manifest: str = "", code: str = PLUGIN, migration: str | None = None, api: str = ">=1.0,<2"
    ) -> Path:
        package = site_packages / f"fixture_{name}"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "plugin.py").write_text(code)
        (package / "plugin.toml").write_text(f'[plugin]\nname = "{name}"\napi = "{api}"\n{manifest}\n')
        if migration is not None:
            versions = package / "migrations/versions"
            versions.mkdir(parents=True)
            text = textwrap.dedent(MIGRATION).format(name=name, then=migration)
            (versions / f"{name}_0001_initial.py").write_text(text)
        info = site_packages / f"fixture_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fixture-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[keyun.plugins]\n{name} = fixture_{name}.plugin:P\n")
        return package

    return write


@pytest.fixture
def keyun(tmp_path: Path, site_packages: Path) -> Keyun:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
        env = inherited | {"KEYUN_INSTANCE": str(tmp_path / "instance"), "PYTHONPATH": str(site_packages)}
        return subprocess.run(
            [sys.executable, "-m", "keyun", *arguments],
            env=env | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("init").returncode == 0
    return run


def states(keyun: Keyun) -> dict[str, str]:
    return {r["name"]: r["state"] for r in listed(keyun)}


def listed(keyun: Keyun) -> list[dict[str, Any]]:
    answer = keyun("plugins", "list", "--json")
    assert answer.returncode == 0, answer.stderr
    rows: list[dict[str, Any]] = json.loads(answer.stdout)
    return rows


def test_init_may_be_run_again_and_keeps_the_choice(keyun: Keyun) -> None:
    assert keyun("plugins", "disable", "popsci").returncode == 0
    assert keyun("init").returncode == 0
    assert states(keyun)["popsci"] == "disabled"


def test_the_list_says_what_programs_rely_on(keyun: Keyun) -> None:
    row = next(r for r in listed(keyun) if r["name"] == "marketplace")
    assert set(row) == {"name", "title", "version", "state", "slot", "problems", "suspended"}
    assert (row["state"], row["slot"], row["problems"]) == ("active", "marketplace", [])


def test_every_state_is_told_apart(keyun: Keyun, write_plugin: WritePlugin, site_packages: Path) -> None:
    write_plugin("calm", migration="pass")
    assert keyun("plugins", "enable", "calm").returncode == 0
    assert states(keyun)["calm"] == "active"
    keyun("plugins", "disable", "calm")
    assert states(keyun)["calm"] == "disabled"
    keyun("plugins", "enable", "calm")
    (site_packages / "fixture_calm/migrations/versions/calm_0002_more.py").write_text(
        'revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None\n'
        "def upgrade(): ...\ndef downgrade(): ...\n"
    )
    assert states(keyun)["calm"] == "pending-migration"
    assert keyun("db", "upgrade").returncode == 0
    assert states(keyun)["calm"] == "active"
    (site_packages / "fixture_calm/plugin.py").write_text("import nowhere_at_all")
    assert states(keyun)["calm"] == "faulted"
    for path in site_packages.glob("fixture_calm-*/entry_points.txt"):
        path.unlink()
    assert states(keyun)["calm"] == "missing"
    keyun("plugins", "disable", "calm")
    assert states(keyun)["calm"] == "orphaned"


@pytest.mark.parametrize(
    ("manifest", "code", "api", "words"),
    [
        ('requires = ["nosuch"]', PLUGIN, ">=1.0", "keyun plugins enable nosuch"),
        ('requires = ["odd"]', PLUGIN, ">=1.0", None),
        ("", PLUGIN, ">=9", "this Keyun offers 1.2"),
        ("", "import nowhere_at_all", ">=1.0", "ModuleNotFoundError"),
        ('modules = ["nowhere_at_all"]', PLUGIN, ">=1.0", "pip install"),
        ("colour = 1", PLUGIN, ">=1.0", "unknown key"),
        ('replaces = "popsci"', PLUGIN, ">=1.0", "keyun plugins disable popsci"),
    ],
)
def test_enabling_a_broken_plugin_is_refused_with_its_repair_and_changes_nothing(
    keyun: Keyun,
    write_plugin: WritePlugin,
    tmp_path: Path,
    manifest: str,
    code: str,
    api: str,
    words: str | None,
) -> None:
    write_plugin("odd", manifest, code, api=api)
    before = (tmp_path / "instance/plugins.toml").read_text()
    answer = keyun("plugins", "enable", "odd")
    if words is None:
        assert answer.returncode == 0, "a plugin that names itself waits for nobody"
        return
    assert answer.returncode == 1
    assert words in answer.stderr
    assert (tmp_path / "instance/plugins.toml").read_text() == before


def test_plugins_that_wait_for_each_other_are_refused_as_a_path(
    keyun: Keyun, write_plugin: WritePlugin
) -> None:
    write_plugin("hen", 'requires = ["egg"]')
    write_plugin("egg", 'requires = ["hen"]')
    answer = keyun("plugins", "enable", "hen", "egg")
    assert answer.returncode == 1
    assert "wait for each other" in answer.stderr


def test_an_unknown_plugin_is_refused(keyun: Keyun) -> None:
    for verb in ("enable", "disable", "show"):
        answer = keyun("plugins", verb, "nosuch")
        assert answer.returncode == 1 and "nosuch" in answer.stderr


def test_doing_it_twice_is_no_error(keyun: Keyun) -> None:
    for verb in ("enable", "disable", "disable", "enable"):
        assert keyun("plugins", verb, "popsci").returncode == 0


def test_what_others_require_is_not_disabled(keyun: Keyun, write_plugin: WritePlugin) -> None:
    write_plugin("leaning", 'requires = ["popsci"]')
    assert keyun("plugins", "enable", "leaning").returncode == 0
    answer = keyun("plugins", "disable", "popsci")
    assert answer.returncode == 1
    assert "keyun plugins disable leaning popsci" in answer.stderr
    assert keyun("plugins", "disable", "leaning", "popsci").returncode == 0


def test_a_stand_in_takes_a_slot_in_one_step_although_others_require_it(
    keyun: Keyun, write_plugin: WritePlugin
) -> None:
    write_plugin("leaning", 'requires = ["popsci"]')
    write_plugin("shelf", 'replaces = "popsci"')
    assert keyun("plugins", "enable", "leaning").returncode == 0
    assert keyun("plugins", "enable", "shelf").returncode == 1
    answer = keyun("plugins", "enable", "shelf", "--instead")
    assert answer.returncode == 0 and "popsci disabled, its data is kept" in answer.stdout, answer.stderr
    found = states(keyun)
    assert [found[n] for n in ("popsci", "shelf", "leaning")] == ["disabled", "active", "active"]
    assert keyun("plugins", "enable", "popsci", "--instead").returncode == 0
    assert states(keyun)["shelf"] == "disabled"


MODEL = """
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column
from keyun.db import Model
from keyun.plugins import Plugin

class Thing(Model):
    __tablename__ = "scale_thing"
    id: Mapped[int] = mapped_column(primary_key=True)
    weight: Mapped[int]

class P(Plugin):
    pass
"""


def test_a_column_without_a_migration_is_said_before_a_page_fails(
    keyun: Keyun, write_plugin: WritePlugin
) -> None:
    write_plugin("scale", code=MODEL, migration="pass")
    answer = keyun("plugins", "enable", "scale")
    assert answer.returncode == 1 and "scale_thing has no weight; write a migration" in answer.stderr
    assert states(keyun)["scale"] == "disabled"
    model = MODEL.replace("scale", "gauge")
    package = write_plugin("gauge", code=model.replace("weight: Mapped[int]", ""), migration="pass")
    assert keyun("plugins", "enable", "gauge").returncode == 0
    assert keyun("doctor").returncode == 0
    (package / "plugin.py").write_text(model)
    sick = keyun("doctor")
    assert sick.returncode == 1 and "gauge_thing has no weight" in sick.stdout


def test_a_failing_migration_leaves_state_and_database_as_they_were(
    keyun: Keyun, write_plugin: WritePlugin, tmp_path: Path
) -> None:
    write_plugin("heavy", migration="raise RuntimeError('disk full')")
    before = (tmp_path / "instance/plugins.toml").read_text()
    answer = keyun("plugins", "enable", "heavy")
    assert answer.returncode == 1
    assert "disk full" in answer.stderr
    assert (tmp_path / "instance/plugins.toml").read_text() == before
    with sqlite3.connect(tmp_path / "instance/keyun.db") as db:
        tables = {r[0] for r in db.execute("SELECT name FROM sqlite_master")}
    db.close()
    assert "heavy_thing" not in tables


def test_an_unknown_time_zone_is_named(keyun: Keyun) -> None:
    answer = keyun("plugins", "list", KEYUN_SITE__TIMEZONE="Asia/Chengdu")
    assert answer.returncode == 1
    assert "site.timezone" in answer.stderr and "Traceback" not in answer.stderr


def test_a_damaged_state_file_is_named(keyun: Keyun, tmp_path: Path) -> None:
    (tmp_path / "instance/plugins.toml").write_text("enabled = [")
    answer = keyun("plugins", "list")
    assert answer.returncode == 1
    assert "plugins.toml" in answer.stderr and "Traceback" not in answer.stderr


@pytest.mark.parametrize("left", [(), ("marketplace",), ("notices",), BUNDLED])
def test_a_healthy_instance_is_found_healthy_with_any_set_of_plugins(
    keyun: Keyun, left: tuple[str, ...]
) -> None:
    off = set(BUNDLED) - set(left)
    if off:
        assert keyun("plugins", "disable", *sorted(off)).returncode == 0
    answer = keyun("doctor")
    assert answer.returncode == 0, answer.stdout


def test_safe_mode_runs_the_core_alone(keyun: Keyun, write_plugin: WritePlugin) -> None:
    assert keyun("doctor", KEYUN_SAFE_MODE="1").returncode == 0
    answer = keyun("import", KEYUN_SAFE_MODE="1")
    assert "organizations" in answer.stdout and "offers" not in answer.stdout


def test_help_lists_the_groups_of_enabled_plugins_without_importing_them(
    keyun: Keyun, write_plugin: WritePlugin
) -> None:
    write_plugin("loud", 'command = "noise"\ntitle = "Loud"')
    keyun("plugins", "enable", "loud")
    assert "noise" in keyun("--help").stdout


@pytest.mark.parametrize(
    "command",
    ["serve", "worker", "jobs list", "search x", "doctor", "demo", "users list", "index verify", "import",
     "regions show 511424", "plugins list", "plugins enable popsci", "db status", "db upgrade",
     "db downgrade popsci base --yes", "marketplace index verify", "bridge status"],
)  # fmt: skip
def test_a_folder_that_was_never_set_up_is_said_to_be_so_and_stays_empty(
    keyun: Keyun, tmp_path: Path, command: str
) -> None:
    answer = keyun(*command.split(), KEYUN_INSTANCE=str(tmp_path / "nowhere"))
    assert answer.returncode == 1
    assert "run `keyun init`" in answer.stderr and "Traceback" not in answer.stderr
    assert not (tmp_path / "nowhere").exists()
