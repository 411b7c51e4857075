"""Run migrations: one Alembic lineage, and one version table, for each plugin.

A shared version table stops every command as soon as one plugin's files are gone ("Can't locate
revision"), so each lineage keeps its own: ``alembic_version_<name>``. See docs/adr/0002.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from keyun.db import WRITE, Model
from keyun.errors import DatabaseError
from keyun.plugins.manifest import Manifest

log = logging.getLogger(__name__)
CORE = "core"
#: The newest version of a lineage whose files are broken: its plugin stays pending.
UNREADABLE = "unreadable"
VERSION_TABLE = re.compile(r"alembic_version_(?P<name>[a-z][a-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Status:
    """Where one lineage stands in this database."""

    name: str
    current: str | None
    head: str | None

    @property
    def state(self) -> str:
        """``current``, ``pending``, ``absent``, ``orphaned`` (no files here) or ``none``."""
        if self.head is None:
            return "orphaned" if self.current else "none"
        if self.current is None:
            return "absent"
        return "current" if self.current == self.head else "pending"


class Migrator:
    """Upgrade, downgrade and inspect the lineages of one database."""

    def __init__(self, engine: sa.Engine, manifests: Mapping[str, Manifest]) -> None:
        self.engine = engine
        self.root = Path(__file__).parent / "migrations"
        self.versions: dict[str, Path] = {CORE: self.root / "versions"}
        self.versions |= {n: m.migrations for n, m in manifests.items() if m.migrations.is_dir()}

    def upgrade(self, lineage: str, target: str = "head") -> None:
        """Bring ``lineage`` to ``target``; all of it or, when it fails, nothing of the failing step."""
        with self._connected(lineage) as config:
            command.upgrade(config, target)

    def downgrade(self, lineage: str, target: str) -> None:
        """Take ``lineage`` back to ``target`` (a revision, or ``base``)."""
        if lineage == CORE and target == "base" and any(s.current for s in self.status() if s.name != CORE):
            raise DatabaseError("plugins still hold tables; purge them before the core schema goes")
        with self._connected(lineage) as config:
            command.downgrade(config, target)

    def check(self, lineage: str) -> None:
        """Raise when the models of ``lineage`` (already imported) and its migrations have drifted apart."""
        with self._connected(lineage) as config:
            command.check(config)

    def status(self) -> list[Status]:
        """Every lineage this database or this installation knows, orphans included."""
        with self.engine.connect() as connection:
            tables = sa.inspect(connection).get_table_names()
            in_db = {m["name"] for t in tables if (m := VERSION_TABLE.fullmatch(t))}
            out = []
            for name in sorted(in_db | self.versions.keys()):
                context = MigrationContext.configure(
                    connection, opts={"version_table": f"alembic_version_{name}"}
                )
                out.append(Status(name, context.get_current_revision(), self._head(name)))
            return out

    def _head(self, lineage: str) -> str | None:
        if lineage not in self.versions:
            return None
        try:
            return ScriptDirectory.from_config(self._config(lineage)).get_current_head()
        # Migration files are code: those of a plugin may be broken, and the others' answers stay right.
        except (Exception, SystemExit):
            if lineage == CORE:
                raise
            log.exception("the migrations of %s cannot be read", lineage)
            return UNREADABLE

    def _config(self, lineage: str) -> Config:
        if lineage not in self.versions:
            raise DatabaseError(f"{lineage!r} has no migrations here; is the plugin installed?")
        config = Config()
        config.set_main_option("script_location", str(self.root))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", str(self.versions[lineage]))
        config.attributes["lineage"] = lineage
        return config

    @contextlib.contextmanager
    def _connected(self, lineage: str) -> Iterator[Config]:
        config = self._config(lineage)
        with self.engine.connect() as plain:
            connection = plain.execution_options(**{WRITE: True})
            with _unguarded(connection):
                config.attributes["connection"] = connection
                # Begun here, so that Alembic leaves the commit to us and a failed check undoes it all.
                connection.begin()
                try:
                    yield config
                except CommandError as e:
                    connection.rollback()
                    raise DatabaseError(
                        f"{lineage}: {e}; is this database newer than the installed code? "
                        "Install the version that made it, or restore a backup."
                    ) from e
                _check_foreign_keys(connection, lineage)
                connection.commit()


def lacking(engine: sa.Engine, plugin: str) -> list[str]:
    """What the loaded classes of ``plugin`` map and the database lacks, a sentence for each table."""
    tables = [t for n, t in sorted(Model.metadata.tables.items()) if n.startswith(f"{plugin}_")]
    found = sa.inspect(engine).get_multi_columns(filter_names=[t.name for t in tables]) if tables else {}
    there = {name: {c["name"] for c in columns} for (_, name), columns in found.items()}
    problems = []
    for table in tables:
        if missing := [c.name for c in table.columns if c.name not in there.get(table.name, ())]:
            problems.append(
                f"{plugin}: the table {table.name} has no {', '.join(missing)}; write a migration and run"
                f" `keyun db upgrade` (`keyun plugins check {plugin}` shows the difference)"
            )
    return problems


@contextlib.contextmanager
def _unguarded(connection: sa.Connection) -> Iterator[None]:
    """Switch SQLite's foreign keys off around a migration.

    A batch ALTER drops and recreates the table; with enforcement on, SQLite would fire ON DELETE in
    every table that points at it. The pragma has no effect inside a transaction, hence the raw cursor.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = connection.connection.cursor()
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        if connection.in_transaction():
            connection.rollback()
        raw.execute("PRAGMA foreign_keys=ON")
        raw.close()


def _check_foreign_keys(connection: sa.Connection, lineage: str) -> None:
    if connection.dialect.name == "sqlite":
        bad = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if bad:
            connection.rollback()
            raise DatabaseError(f"{lineage}: the migration left {len(bad)} dangling foreign key(s); undone")
