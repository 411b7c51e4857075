"""Fixtures for the tests of Keyun and of any plugin (pytest11 entry point).

Everything from keyun is imported inside the fixtures: pytest loads this module before coverage starts.

``make_site("popsci")`` loads exactly the plugins that are named. Every test that stands on a database
runs on SQLite and on PostgreSQL; ``KEYUN_TEST_BACKEND`` narrows that, and a module that wants one
database says ``@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask import Flask
    from jinja2 import BytecodeCache

    from keyun.site import Site
    from keyun.testing.clients import Browser
    from keyun.testing.clock import Clock
    from keyun.testing.databases import Databases
    from keyun.testing.makers import MakeApp, MakeInstance, MakeSite


@pytest.fixture(params=os.environ.get("KEYUN_TEST_BACKEND", "sqlite,postgresql").split(","))
def backend(request: pytest.FixtureRequest) -> str:
    """The database under this test: ``sqlite`` or ``postgresql``."""
    return str(request.param)


@pytest.fixture(scope="session")
def keyun_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Migrated databases to copy from, made once for each set of plugins."""
    from keyun.testing.databases import Databases

    databases = Databases(tmp_path_factory.mktemp("keyun-databases"))
    yield databases
    databases.close()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until ``clock.tick(timedelta)`` or ``clock.now = …``."""
    from keyun.testing.clock import Clock

    return Clock()


@pytest.fixture
def make_instance(backend: str, keyun_databases: Databases, tmp_path: Path) -> Iterator[MakeInstance]:
    """``make_instance("popsci", config={"site": {"demo": True}})``: a folder as ``keyun init`` leaves it."""
    from keyun.testing.databases import Unreachable
    from keyun.testing.instances import write_instance

    made: list[str] = []

    def make(*plugins: str, config: Mapping[str, Any] | None = None) -> Path:
        folder = tmp_path / f"instance-{len(made)}"
        try:
            made.append(keyun_databases.copy(backend, plugins, folder))
        except Unreachable as e:
            if os.environ.get("KEYUN_REQUIRE_ALL") == "1":
                pytest.fail(str(e))
            pytest.skip(str(e))
        return write_instance(folder, made[-1], plugins, config or {})

    yield make
    for url in made:
        keyun_databases.drop(url)


@pytest.fixture
def instance(make_instance: MakeInstance) -> Path:
    """An instance folder without plugins."""
    return make_instance()


@pytest.fixture
def make_site(make_instance: MakeInstance, clock: Clock) -> Iterator[MakeSite]:
    """``make_site(*plugins, config=…)`` opens a site; ``instance=…`` opens an existing folder again."""
    from keyun import config as configuration
    from keyun.runtime import Runtime
    from keyun.site import Site

    opened: list[Runtime] = []

    def make(*plugins: str, config: Mapping[str, Any] | None = None, instance: Path | None = None) -> Site:
        folder = instance or make_instance(*plugins, config=config)
        runtime = Runtime(configuration.load(folder, {}), clock=clock)
        opened.append(runtime)
        return Site.open(runtime)

    yield make
    for runtime in opened:
        runtime.close()


@pytest.fixture(scope="session")
def keyun_compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Templates are compiled once for all applications of a test run."""
    from jinja2 import FileSystemBytecodeCache

    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("keyun-templates")))


@pytest.fixture
def make_app(make_site: MakeSite, keyun_compiled_templates: BytecodeCache) -> MakeApp:
    """``make_app(*plugins, config=…)`` builds the web application; ``site=…`` takes an open site.

    ``browse(app)`` of :mod:`keyun.testing` opens a browser on it.
    """
    from keyun.app import create_app

    def make(*plugins: str, config: Mapping[str, Any] | None = None, site: Site | None = None) -> Flask:
        app = create_app(site or make_site(*plugins, config=config))
        app.testing = True
        app.jinja_env.bytecode_cache = keyun_compiled_templates
        return app

    return make


@pytest.fixture
def client(make_app: MakeApp) -> Browser:
    """A visitor's browser on a site without plugins."""
    from keyun.testing.clients import browse

    return browse(make_app())
