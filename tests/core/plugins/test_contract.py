"""``keyun plugins check``: ours pass, and every check can fail; one plugin breaks nearly all rules."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from keyun.errors import KeyunError
from keyun.testing.contract import Result, examine
from keyun.testing.contract.checks import CHECKS, STATIC

Scaffolded = Callable[..., Path]
BUNDLED = ("bayu_bridge", "emergency", "marketplace", "notices", "popsci", "usage")
#: Seen by the test of the careless plugin; the others have a test of their own.
APART = {
    "manifest_plan", "manifest_modules", "package_name", "readme_present", "import_works", "plugin_loads",
    "migrations_run",
}  # fmt: skip


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text, f"{path}: {old!r}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def failed(results: list[Result]) -> dict[str, Result]:
    return {r.id: r for r in results if r.state == "failed"}


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_plugin_keeps_the_contract(name: str) -> None:
    if name == "marketplace":
        pytest.importorskip("numpy", reason="the marketplace needs numpy")
    assert [line for r in failed(examine(name)).values() for line in r.lines()] == []


CARELESS_INIT = """
import os
import threading
print("hello from an import")
threading.Thread(target=threading.Event().wait, daemon=True, name="busy").start()
os.close(os.open("/dev/null", os.O_WRONLY))
"""
CARELESS_MODELS = """

import datetime as dt
from keyun.content.models import ENDED
from keyun.db import Model


class More(Model):
    __tablename__ = "seed_fair_more"
    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(sa.ForeignKey("seed_fair_entry.id"))
    place_id: Mapped[int] = mapped_column(sa.ForeignKey("alien_place.id", ondelete="CASCADE"))
    phone: Mapped[str] = mapped_column(sa.String(20))
    nickname: Mapped[str] = mapped_column(sa.String(20), info={"personal": "name"})
    at: Mapped[dt.datetime] = mapped_column(sa.DateTime)


class Alien(Model):
    __tablename__ = "alien_place"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
CARELESS_VIEWS = """

built = []


@public
def broken():
    raise RuntimeError("broken")


@public
def delete():
    return render_template("seed_fair/odd.html")


@requires("seed_fair.nothing.known")
def secret():
    '''Nobody gets here.'''
    return ""


@public
def item(number):
    '''One thing.'''
    raise RuntimeError(number)


def careless(pages):
    built.append(1)
    pages.add_url_rule("/broken", "broken", broken)
    pages.add_url_rule("/delete", "delete", delete)
    pages.add_url_rule("/secret", "secret", secret)
    pages.add_url_rule("/things/<int:number>", "item", item)
    if len(built) > 1:
        pages.add_url_rule("/again", "again", item)
    return pages
"""
CARELESS_PLUGIN = '''
    offers = sys.modules["keyun_seed_fair.offered"]

    @hookimpl
    def keyun_seed_fair_old(self):
        """Deprecated by its own specification."""

    @hookimpl
    def keyun_commands(self):
        yield click.Command("mute", callback=lambda: None)
'''
OFFERED = '''
from keyun.plugins import RemovedInKeyun2, hookspec


@hookspec(warn_on_impl=RemovedInKeyun2("use keyun_seed_fair_new"))
def keyun_seed_fair_old():
    """An old hook with a contract that is long enough to be one."""


@hookspec
def keyun_elsewhere():
    """Short."""
'''
ODD = """{% extends "keyun/layout.html" %}
{% block content %}
<h1>一</h1><h1>{{ _("没有翻译") }}</h1><p style="color: red">裸字</p>
<form method="post"><input name="x"></form>
{% endblock %}
"""


def spoil(home: Path) -> None:
    """Break every rule that still lets the plugin load."""
    package = home / "keyun_seed_fair"
    edit(package / "plugin.toml", ('title = "种子集市"', 'title = "Seeds"'), ('title_en = "Seed fair"\n', ""))
    edit(package / "plugin.toml", ('summary = "种子集市：发布、查找和导入条目。"', 'extra = "seeds"'))
    edit(package / "plugin.toml", ('api = ">=1.2,<2"', 'api = ">=1.0"'))
    (package / "__init__.py").write_text(CARELESS_INIT)
    (package / "py.typed").unlink()
    (package / "offered.py").write_text(OFFERED)
    edit(package / "models.py", ('ENTRY = "seed_fair.entry"', 'ENTRY = "seed_fair.Entry"'))
    with (package / "models.py").open("a", encoding="utf-8") as file:
        file.write(CARELESS_MODELS)
    with (package / "views.py").open("a", encoding="utf-8") as file:
        file.write(CARELESS_VIEWS)
    edit(
        package / "views.py",
        ("    return pages\n\n\n@public\ndef index", "    return careless(pages)\n\n\n@public\ndef index"),
    )
    edit(
        package / "plugin.py",
        (
            "from flask import Blueprint\n",
            "import sys\nimport click\nfrom flask import Blueprint\nimport keyun_seed_fair.offered\n",
        ),
        ("    settings_schema = Settings\n", "    settings_schema = Settings\n" + CARELESS_PLUGIN),
        (
            "        yield MenuItem(",
            "\n" * 9 + "        yield MenuItem('seed_fair.gone', 'x')\n        yield MenuItem(",
        ),
        (
            "from keyun.jobs import Job\n",
            "from keyun.jobs import Job\nfrom typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    import keyun_popsci\n",
        ),
    )
    edit(
        package / "services.py",
        (
            'Permission(TIDY, "清理过期条目", "tidy up old entries", staff)',
            'Permission(TIDY, "tidy", "", staff), Permission("seed_fair.odd", "种", "seed", staff)',
        ),
        ('"seed_fair.show", "种子集市条目"', '"seed_fair.show", "entry"'),
        (
            "    unit.require(actor, TIDY)\n",
            '    unit.require(actor, TIDY)\n    unit.record("seeds.tidied", "x", 1, actor)\n',
        ),
        ('EntryRow, write, "core.import.run"', 'EntryRow, write, "seed_fair.nobody.may"'),
    )
    edit(
        package / "jobs.py",
        (
            'Job("seed_fair.tidy", tidy, every=DAY)',
            'Job("seed_fair.Tidy", lambda site, days: None, every=DAY)',
        ),
    )
    edit(
        package / "schemas.py",
        ("    keep_days = fields", "    Keep__Days = fields.Integer(load_default=1)\n    keep_days = fields"),
    )
    edit(package / "api.py", ('"条目列表 / Entries"', '"entries"'))
    edit(
        package / "translations/en/LC_MESSAGES/messages.po", ('msgstr "Published."', 'msgstr "Made public."')
    )
    (package / "templates/seed_fair/odd.html").write_text(ODD, encoding="utf-8")
    for name in ("templates/elsewhere/page.html", "static/elsewhere/page.css"):
        (package / name).parent.mkdir(parents=True)
        (package / name).write_text("")
    versions = package / "migrations/versions"
    first = versions / "seed_fair_0001_initial.py"
    left = '    op.execute("CREATE TABLE IF NOT EXISTS left_over (id INTEGER)")\n'
    edit(first, ("from alembic import op\n", "from alembic import op\nimport keyun\n"))
    edit(first, ("def upgrade() -> None:\n", "def upgrade() -> None:\n" + left))
    first.rename(versions / "first.py")
    (home / "README.md").write_text("# Seeds\n" + "What this plugin is for. " * 20, encoding="utf-8")


def test_every_check_finds_what_it_is_for(scaffolded: Scaffolded) -> None:
    home = scaffolded("seed_fair", metadata="Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    spoil(home)
    found = failed(examine("seed_fair"))
    assert {c.__name__ for c in CHECKS} - found.keys() - APART == set()
    assert not [r.id for r in found.values() for p in r.problems if "the check failed" in p.what]
    assert all(p.where and p.what and p.repair for r in found.values() for p in r.problems)


@pytest.mark.parametrize(
    ("check", "file", "old", "new", "words"),
    [
        ("manifest_plan", "plugin.toml", 'api =', 'requires = ["nosuch"]\napi =', "nosuch"),
        ("manifest_modules", "plugin.toml", 'api =', 'modules = ["nosuch_module"]\napi =', "nosuch_module"),
        ("import_works", "plugin.py", "from flask import Blueprint", "import nosuch_module", "nosuch_module"),
        ("plugin_loads", "views.py", "@public\ndef index", "def index", "index"),
        (
            "migrations_run", "migrations/versions/seed_fair_0001_initial.py",
            "-> None:\n    op.create", "-> None:\n    1 / 0\n    op.create", "ZeroDivisionError",
        ),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_loaded_is_told_why_and_the_rest_is_left_out(
    scaffolded: Scaffolded, check: str, file: str, old: str, new: str, words: str
) -> None:
    edit(scaffolded("seed_fair") / "keyun_seed_fair" / file, (old, new))
    results = examine("seed_fair")
    assert words in " ".join(failed(results)[check].lines())
    skipped = {r.id for r in results if r.state == "skipped"}
    assert skipped == {c.__name__ for c in CHECKS if c not in STATIC}


def test_a_package_by_another_name_and_no_readme_are_noticed(scaffolded: Scaffolded) -> None:
    home = scaffolded("seed_fair")
    shutil.move(home / "keyun_seed_fair", home / "seeds")
    for path in (home / "seeds").glob("*.py"):
        path.write_text(
            path.read_text(encoding="utf-8").replace("keyun_seed_fair", "seeds"), encoding="utf-8"
        )
    for point in home.glob("*.dist-info/entry_points.txt"):
        edit(point, ("keyun_seed_fair", "seeds"))
    (home / "README.md").unlink()
    found = failed(examine("seed_fair"))
    assert {"package_name", "readme_present"} <= found.keys()


def test_the_command_reports_and_exits_and_touches_no_instance(
    scaffolded: Scaffolded, tmp_path: Path
) -> None:
    home = scaffolded("seed_fair")
    edit(home / "README.md", ("`keep_days`", "`other`"))

    def check(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "keyun", "--instance", str(tmp_path / "none"), "plugins", "check"]
        return subprocess.run([*command, *arguments], env=os.environ, capture_output=True, text=True)

    answer = check("seed_fair")
    assert answer.returncode == 1
    assert "failed   settings_documented" in answer.stdout and "`keep_days` is not named" in answer.stdout
    assert f"{len(CHECKS)} checks, 1 failed" in answer.stdout
    (told,) = [r for r in json.loads(check("seed_fair", "--json").stdout) if r["state"] != "ok"]
    assert told["id"] == "settings_documented" and told["problems"][0]["where"] == "README.md"
    assert check("nosuch").returncode == 1 and "keyun plugins list" in check("nosuch").stderr
    assert not (tmp_path / "none").exists()


def test_a_plugin_with_an_unreadable_manifest_is_named(scaffolded: Scaffolded) -> None:
    (scaffolded("seed_fair") / "keyun_seed_fair/plugin.toml").write_text("[plugin\n")
    with pytest.raises(KeyunError, match=r"plugin\.toml"):
        examine("seed_fair")
