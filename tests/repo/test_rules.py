"""Rules that keep the house in order; each failure names the file and what to do.

What every plugin must keep, ours and those of strangers, is the contract suite (keyun.testing.contract).
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


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


def test_the_core_imports_no_plugin() -> None:
    guilty = [p for p in sources(ROOT / "core") if any(i.startswith("keyun_") for i in imports(p))]
    assert guilty == []


def test_the_heart_of_matching_knows_no_web_and_no_database() -> None:
    for path in sources(ROOT / "plugins/marketplace/keyun_marketplace/matching"):
        for name in imports(path):
            assert name.partition(".")[0] not in {"flask", "sqlalchemy", "click"}, (
                f"{path.name} imports {name}"
            )


def test_migrations_import_nothing_of_keyun() -> None:
    for path in ROOT.glob("*/**/migrations/versions/*.py"):
        if ".venv" not in path.parts and "build" not in path.parts:
            assert not [i for i in imports(path) if i.startswith("keyun")], path


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
