"""What is examined: one installed plugin, imported under watch, on a throw-away instance."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from keyun import config as configuration
from keyun.app import create_app
from keyun.db import Model, make_engine
from keyun.migrate import Migrator
from keyun.plugins.base import Plugin
from keyun.plugins.manager import Installation
from keyun.plugins.manifest import Manifest
from keyun.plugins.order import lineages
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.testing.contract.sources import trees
from keyun.testing.databases import Databases
from keyun.testing.instances import write_instance

#: What a module may not do while it is imported, as Python's audit events name it.
WATCHED = frozenset(
    {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.fork"}
)
Schema = Mapping[str, frozenset[str]]


@dataclass(slots=True)
class Watch:
    """What happened while the plugin was imported."""

    printed: str = ""
    deeds: list[str] = field(default_factory=list)
    threads: list[str] = field(default_factory=list)
    error: str = ""


@dataclass(slots=True)
class Lineage:
    """What the migrations of the plugin did to a database: tables and columns at each step."""

    before: Schema = field(default_factory=dict)
    after: Schema = field(default_factory=dict)
    undone: Schema = field(default_factory=dict)
    error: str = ""


@dataclass
class Subject:
    """Everything a check may ask about."""

    name: str
    installation: Installation
    manifest: Manifest
    watch: Watch
    lineage: Lineage
    faults: tuple[str, ...] = ()
    runtime: Runtime | None = None
    live_site: Site | None = None
    live_app: Flask | None = None

    @property
    def root(self) -> Path:
        """The folder of its package."""
        return self.manifest.root

    @property
    def package(self) -> str:
        """The import name of its package."""
        return self.manifest.entry_point.module.partition(".")[0]

    @property
    def slot(self) -> str:
        """The place it fills."""
        return self.manifest.slot

    @cached_property
    def modules(self) -> dict[Path, ast.Module]:
        """Its source files, migrations left out."""
        return trees(self.root)

    @cached_property
    def revisions(self) -> dict[Path, ast.Module]:
        """Its migration files."""
        paths = sorted(self.manifest.migrations.glob("*.py"))
        return {p: ast.parse(p.read_text(encoding="utf-8"), str(p)) for p in paths}

    @property
    def site(self) -> Site:
        """The site it was loaded into; only for checks that need it loaded."""
        assert self.live_site is not None
        return self.live_site

    @property
    def app(self) -> Flask:
        """The application that serves it; only for checks that need it loaded."""
        assert self.live_app is not None
        return self.live_app

    @property
    def plugin(self) -> Plugin:
        """The loaded plugin."""
        return self.site.plugins.plugins[self.slot]

    @property
    def loaded(self) -> bool:
        """Whether it came far enough to be asked."""
        return self.live_app is not None

    @property
    def required(self) -> list[Manifest]:
        """The plugins whose code and tables it may use: those it requires and the one it extends."""
        names = {*self.manifest.requires, *filter(None, (self.manifest.extends,))}
        return [m for m in self.installation.manifests.values() if m.name in names or m.slot in names]

    def ask(self, hook: str) -> list[Any]:
        """What its own implementation of ``hook`` declares."""
        return list(getattr(self.plugin, hook, tuple)() or ())

    def tables(self) -> Iterator[tuple[sa.Table, str]]:
        """Its tables, and where each is declared."""
        for mapper in Model.registry.mappers:
            table, home = mapper.local_table, mapper.class_.__module__
            if home.partition(".")[0] == self.package and isinstance(table, sa.Table):
                yield table, f"{home}.{mapper.class_.__name__}"

    def here(self, path: Path, line: int = 0) -> str:
        """``path`` as people read it."""
        return str(path.relative_to(self.root.parent)) + (f":{line}" if line else "")


@contextlib.contextmanager
def prepare(name: str, installation: Installation, folder: Path) -> Iterator[Subject]:
    """Import the plugin ``name``, migrate and open an instance with it; what fails is kept as words."""
    manifest = installation.manifests[name]
    helpers = _closure(manifest, installation)
    for helper in helpers:
        with contextlib.suppress(Exception):
            importlib.import_module(installation.manifests[helper].entry_point.module)
    subject = Subject(name, installation, manifest, _import(manifest), Lineage())
    databases = Databases(folder)
    try:
        url = databases.copy("sqlite", helpers, folder / "instance")
        _migrate(subject, url)
        write_instance(folder / "instance", url, [*helpers, name], {})
        _open(subject, folder / "instance")
        yield subject
    finally:
        if subject.runtime is not None:
            subject.runtime.close()
        databases.close()


def _closure(manifest: Manifest, installation: Installation) -> list[str]:
    """The plugins that must be enabled with it, bases first."""
    found: list[str] = []
    for need in manifest.requires:
        names = sorted(installation.manifests, key=lambda n: n != need)
        helper = next((n for n in names if installation.manifests[n].slot == need), None)
        if helper is not None and helper not in found and helper != manifest.name:
            found += [n for n in _closure(installation.manifests[helper], installation) if n not in found]
            found.append(helper)
    return found


def _import(manifest: Manifest) -> Watch:
    watch = Watch()

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if not on[0]:
            return
        if event in WATCHED:
            watch.deeds.append(f"{event} {arguments[1:2] or ''}")
        elif event == "open" and _writes(*arguments[:3]):
            watch.deeds.append(f"write {arguments[0]}")

    on, before = [True], set(threading.enumerate())
    sys.addaudithook(listen)
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            importlib.import_module(manifest.entry_point.module)
    # A stranger's module may call exit().
    except (Exception, SystemExit) as e:
        watch.error = f"{type(e).__name__}: {e}"
    on[0] = False
    watch.printed = out.getvalue().strip()[:200]
    watch.threads = [t.name for t in threading.enumerate() if t not in before]
    return watch


def _writes(path: object, mode: object, flags: object) -> bool:
    """Whether this opens a file for writing; compiled modules are Python's own business."""
    if not isinstance(path, str) or "__pycache__" in path:
        return False
    if isinstance(mode, str):
        return bool(set("wax+") & set(mode))
    # os.open() has no mode, but flags.
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _migrate(subject: Subject, url: str) -> None:
    """Up, down and up again."""
    engine, lineage = make_engine(url), subject.lineage
    try:
        migrator = Migrator(engine, subject.installation.manifests)
        for name in lineages([subject.name], subject.installation.manifests):
            if name != subject.name and name in migrator.versions:
                migrator.upgrade(name)
        lineage.before = _schema(engine)
        if subject.name in migrator.versions:
            migrator.upgrade(subject.name)
            lineage.after = _schema(engine)
            migrator.downgrade(subject.name, "base")
            lineage.undone = _schema(engine)
            migrator.upgrade(subject.name)
    except Exception as e:
        lineage.error = f"{type(e).__name__}: {e}"
    finally:
        engine.dispose()


def _schema(engine: sa.Engine) -> Schema:
    inspector = sa.inspect(engine)
    return {
        table: frozenset(
            [f"{c['name']} {c['type']}" for c in inspector.get_columns(table)]
            + [f"index {i['name']}" for i in inspector.get_indexes(table)]
        )
        for table in inspector.get_table_names()
        if not table.startswith("alembic_version_")
    }


def _open(subject: Subject, instance: Path) -> None:
    subject.runtime = Runtime(configuration.load(instance, {}))
    try:
        site = Site.open(subject.runtime, installation=subject.installation)
        subject.faults = tuple(site.plugins.faults.get(subject.name, ()))
        if not subject.faults:
            subject.live_app = create_app(site)
            subject.live_site = site
    except Exception as e:
        subject.faults = (f"{type(e).__name__}: {e}",)
