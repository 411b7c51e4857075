"""Throw-away databases: migrate once for each set of plugins, copy for each test."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from keyun.db import make_engine
from keyun.migrate import CORE, Migrator
from keyun.plugins.manager import Installation
from keyun.plugins.order import lineages
from keyun.regions.services import load_bundled

SERVER = "postgresql://root@127.0.0.1:5432/postgres"


class Unreachable(Exception):
    """No PostgreSQL server answers, or there is no driver; the text says which."""


class Databases:
    """Copies of migrated databases, SQLite files in ``folder`` or databases on a PostgreSQL server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: sa.Engine | None = None
        self._templates: dict[tuple[str, ...], str] = {}

    def copy(self, backend: str, plugins: Sequence[str], instance: Path) -> str:
        """Return the address of a fresh database with the tables of the core and of ``plugins``.

        :raises Unreachable: when the server for ``backend`` does not answer.
        """
        template = self._template(backend, lineages(plugins, Installation.scan().manifests))
        instance.mkdir(parents=True, exist_ok=True)
        return self._duplicate(template, instance / "keyun.db")

    def drop(self, url: str) -> None:
        """Remove a database again; files go with their folder."""
        name = make_url(url).database
        if not url.startswith("sqlite"):
            self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Remove the templates."""
        for url in self._templates.values():
            self.drop(url)
        if self._server is not None:
            self._server.dispose()

    def _template(self, backend: str, plugins: Iterable[str]) -> str:
        key = (backend, *plugins)
        if key not in self._templates:
            bare = self._template(backend, key[1:-1]) if len(key) > 1 else ""
            self._templates[key] = self._migrate(backend, bare, key[-1] if len(key) > 1 else CORE)
        return self._templates[key]

    def _migrate(self, backend: str, bare: str, lineage: str) -> str:
        """A copy of ``bare`` with the tables of one more lineage."""
        path = self.folder / f"{uuid.uuid4().hex[:8]}.db"
        url = self._duplicate(bare, path) if bare else self._empty(backend, path)
        engine = make_engine(url)
        try:
            migrator = Migrator(engine, Installation.scan().manifests)
            if lineage in migrator.versions:
                migrator.upgrade(lineage)
            if lineage == CORE:
                with Session(engine) as session:
                    load_bundled(session)
                    session.commit()
        finally:
            engine.dispose()
        return url

    def _empty(self, backend: str, path: Path) -> str:
        if backend == "sqlite":
            return f"sqlite:///{path}"
        name = f"keyun_test_{uuid.uuid4().hex[:12]}"
        self._administer(f'CREATE DATABASE "{name}"')
        return self._address(name)

    def _duplicate(self, template: str, path: Path) -> str:
        source = make_url(template).database or ""
        if template.startswith("sqlite"):
            shutil.copyfile(source, path)
            return f"sqlite:///{path}"
        name = f"keyun_test_{uuid.uuid4().hex[:12]}"
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        return self._address(name)

    def _address(self, name: str) -> str:
        return make_url(_server_url()).set(database=name).render_as_string(hide_password=False)

    def _administer(self, statement: str) -> None:
        if self._server is None:
            try:
                self._server = sa.create_engine(
                    _server_url(), isolation_level="AUTOCOMMIT", poolclass=NullPool
                )
            except ModuleNotFoundError as e:
                raise Unreachable(f"no driver for PostgreSQL ({e}); pip install 'keyun[postgres]'") from e
        try:
            with self._server.connect() as connection:
                connection.exec_driver_sql(statement)
        except OperationalError as e:
            shown = make_url(_server_url()).render_as_string()
            why = f"PostgreSQL at {shown} cannot be used ({e.orig}); set KEYUN_TEST_DATABASE_URL"
            raise Unreachable(why) from e


def _server_url() -> str:
    return os.environ.get("KEYUN_TEST_DATABASE_URL", SERVER)
