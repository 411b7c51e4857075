"""Plugins that are written for one test, as real distributions on the import path; and patience."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from keyun.events.follow import Cursor, head
from keyun.events.models import Event
from keyun.scaffold import Names, write_distribution
from keyun.site import Site

WritePlugin = Callable[..., Path]
Scaffolded = Callable[..., Path]
METADATA = """\
Metadata-Version: 2.4
Name: {name}
Version: 0.1.0
License-Expression: Apache-2.0
Requires-Dist: keyun
"""

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


@pytest.fixture
def scaffolded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scaffolded:
    """``scaffolded("seed_fair")`` writes what ``keyun plugins new`` writes, here and for new processes."""

    def write(name: str, title: str = "种子集市", metadata: str = METADATA) -> Path:
        names = Names.of(name, title)
        home = write_distribution(names, tmp_path)
        info = home / f"keyun_plugin_{name}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(metadata.format(name=names.distribution), encoding="utf-8")
        cls = "".join(part.capitalize() for part in name.split("_"))
        point = f"[keyun.plugins]\n{name} = keyun_{name}.plugin:{cls}Plugin\n"
        (info / "entry_points.txt").write_text(point, encoding="utf-8")
        monkeypatch.syspath_prepend(str(home))
        before = os.environ.get("PYTHONPATH")
        monkeypatch.setenv("PYTHONPATH", f"{home}:{before}" if before else str(home))
        return home

    return write


def wait_until_settled(site: Site) -> None:
    """Wait for transactions in other databases of the same PostgreSQL server; they hold the log up."""
    newest = (
        sa.select(Event.transaction, Event.id).order_by(Event.transaction.desc(), Event.id.desc()).limit(1)
    )
    for _ in range(600):
        with site.reading() as unit:
            last = unit.session.execute(newest).first()
            if last is None or head(unit.session) == Cursor(*last):
                return
        time.sleep(0.05)
    pytest.fail("a transaction elsewhere on the database server does not end")


@pytest.fixture
def settled() -> Callable[[Site], None]:
    """``settled(site)`` returns when followers may read every event."""
    return wait_until_settled
