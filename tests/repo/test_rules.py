"""Rules that keep the house in order; each failure names the file and what to do."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from keyun import hookspecs
from keyun.db import Model
from keyun.plugins.manifest import Manifest, installed

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = {n: m for n, m in installed()[0].items() if (ROOT / "plugins" / n).is_dir()}
#: What a bundled plugin may import of the core. Strangers get the first three lines as the contract.
SURFACE = {
    "keyun.plugins", "keyun.db", "keyun.uow", "keyun.access", "keyun.errors", "keyun.jobs", "keyun.content",
    "keyun.regions", "keyun.accounts", "keyun.events", "keyun.exchange", "keyun.search", "keyun.testing",
    "keyun.forms", "keyun.api", "keyun.web.context", "keyun.cli.console", "keyun.site",
}  # fmt: skip


def sources(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*.py") if "migrations" not in p.parts)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.fixture(params=sorted(BUNDLED))
def plugin(request: pytest.FixtureRequest) -> Manifest:
    return BUNDLED[request.param]


def test_the_core_imports_no_plugin() -> None:
    guilty = [p for p in sources(ROOT / "core") if any(i.startswith("keyun_") for i in imports(p))]
    assert guilty == []


def test_a_plugin_stays_on_the_surface_of_the_core(plugin: Manifest) -> None:
    allowed = SURFACE | {f"keyun_{r}" for r in plugin.requires}
    for path in sources(plugin.root):
        for name in imports(path):
            if name.startswith(f"keyun_{plugin.name}") or not name.startswith("keyun"):
                continue
            inside = name == "keyun" or any(name == a or name.startswith(f"{a}.") for a in allowed)
            assert inside, f"{path.relative_to(ROOT)} imports {name}; plugins use the public surface only"


def test_the_heart_of_matching_knows_no_web_and_no_database() -> None:
    for path in sources(ROOT / "plugins/marketplace/keyun_marketplace/matching"):
        for name in imports(path):
            assert name.partition(".")[0] not in {"flask", "sqlalchemy", "click"}, (
                f"{path.name} imports {name}"
            )


def own_tables(plugin: Manifest) -> Iterator[sa.Table]:
    importlib.import_module(plugin.entry_point.module)
    package = plugin.entry_point.module.partition(".")[0]
    for mapper in Model.registry.mappers:
        table = mapper.local_table
        if mapper.class_.__module__.partition(".")[0] == package and isinstance(table, sa.Table):
            yield table


def test_tables_carry_the_name_of_their_plugin(plugin: Manifest) -> None:
    assert [t.name for t in own_tables(plugin) if not t.name.startswith(f"{plugin.name}_")] == []


def test_foreign_keys_say_what_happens_on_delete(plugin: Manifest) -> None:
    allowed = ("core_", f"{plugin.name}_", *(f"{r}_" for r in plugin.requires))
    for table in own_tables(plugin):
        for key in table.foreign_key_constraints:
            target = next(iter(key.elements)).target_fullname
            assert target.startswith(allowed), f"{table.name} -> {target}: only core, own and required tables"
            assert key.ondelete in ("CASCADE", "SET NULL"), f"{table.name} -> {target}: say ondelete"


def test_migrations_import_nothing_of_keyun() -> None:
    for path in ROOT.glob("*/**/migrations/versions/*.py"):
        if ".venv" not in path.parts and "build" not in path.parts:
            assert not [i for i in imports(path) if i.startswith("keyun")], path


def hooks() -> list[str]:
    return [n for n in dir(hookspecs) if n.startswith("keyun_")]


@pytest.mark.parametrize("hook", hooks())
def test_every_hook_has_a_contract_and_a_bundled_user(hook: str) -> None:
    contract = (getattr(hookspecs, hook).__doc__ or "").strip()
    assert len(contract) > 40, f"{hook}: write its contract into the docstring"
    users = [
        n for n in BUNDLED if f"def {hook}(" in (BUNDLED[n].root / "plugin.py").read_text(encoding="utf-8")
    ]
    assert users, f"{hook}: no bundled plugin uses it, so it does not ship"


def test_plugin_modules_wire_and_decide_nothing(plugin: Manifest) -> None:
    tree = ast.parse((plugin.root / "plugin.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("keyun_"):
            assert (node.end_lineno or 0) - node.lineno <= 9, f"{plugin.name}: {node.name} does too much"


def test_templates_hold_no_inline_style_or_script() -> None:
    for path in ROOT.glob("*/**/templates/**/*.html"):
        if ".venv" in path.parts or "build" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|<style|<script(?![^>]*\ssrc=)|\son[a-z]+=", text), path


def test_vendored_files_are_the_ones_that_were_checked() -> None:
    folder = ROOT / "core/keyun/static/keyun/vendor"
    entries = json.loads((folder / "vendor.json").read_text(encoding="utf-8"))
    for entry in entries:
        assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry[
            "file"
        ]
        assert entry["licence"]
    listed = {e["file"] for e in entries}
    assert {p.name for p in folder.iterdir() if p.suffix in (".js", ".css")} == listed


def test_no_work_is_left_marked_in_the_code() -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
    for folder in ("core", "plugins", "tests", "benchmarks", "tools"):
        for path in sources(ROOT / folder):
            found = marks.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.relative_to(ROOT)}: {found}"
