"""Plugins that are written for one test, as real distributions on the import path."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WritePlugin = Callable[..., Path]

PLUGIN = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    pass
"""


@pytest.fixture
def write_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritePlugin]:
    """``write_plugin("name", code, 'requires = ["a"]')`` installs a plugin for this test."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    written: list[str] = []

    def write(name: str, code: str = PLUGIN, manifest: str = "", *, head: str | None = None) -> Path:
        package = site / f"fixture_{name}"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "plugin.py").write_text(textwrap.dedent(code), encoding="utf-8")
        text = head if head is not None else f'[plugin]\nname = "{name}"\napi = ">=1.0,<2"\n'
        (package / "plugin.toml").write_text(text + manifest + "\n", encoding="utf-8")
        info = site / f"fixture_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fixture-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[keyun.plugins]\n{name} = fixture_{name}.plugin:P\n")
        written.append(f"fixture_{name}")
        return package

    yield write
    for module in list(sys.modules):
        if module.partition(".")[0] in written:
            del sys.modules[module]
