"""Migrations: lineages move alone, and no row of another plugin is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa

from keyun.errors import DatabaseError
from keyun.migrate import CORE, Migrator
from keyun.plugins.manifest import installed
from keyun.site import Site

PARENT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "HEAD", None, None
def upgrade():
    with op.batch_alter_table("core_user") as batch:
        batch.alter_column("name", type_=sa.String(80))
def downgrade():
    with op.batch_alter_table("core_user") as batch:
        batch.alter_column("name", type_=sa.String(60))
"""
BROKEN = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "HEAD", None, None
def upgrade():
    op.create_table("core_half", sa.Column("id", sa.Integer, primary_key=True))
    raise RuntimeError("power cut")
def downgrade(): ...
"""
PERSON = (
    "INSERT INTO core_user (id, public_id, login, name, level, active, created_at)"
    " VALUES (1, 'p', 'li', 'li', 0, true, '2026-01-01')"
)


@pytest.fixture
def migrator(make_site: Callable[..., Site], tmp_path: Path) -> Migrator:
    """The lineages of an empty database, their files copied so that a test may add to them."""
    found = Migrator(make_site().runtime.engine, installed()[0])
    found.downgrade(CORE, "base")
    for name in found.versions:
        folder = tmp_path / "versions" / name
        shutil.copytree(found.versions[name], folder)
        found.versions[name] = folder
    return found


def states(m: Migrator) -> dict[str, str]:
    return {s.name: s.state for s in m.status()}


def add(m: Migrator, text: str) -> None:
    """Add a core migration after the newest one."""
    (newest,) = (s.head for s in m.status() if s.name == CORE)
    assert newest is not None
    (m.versions[CORE] / "core_9999_next.py").write_text(text.replace("HEAD", newest))


def test_every_lineage_matches_its_models(migrator: Migrator) -> None:
    migrator.upgrade(CORE)
    for name, manifest in installed()[0].items():
        import_module(manifest.entry_point.module)
        if name in migrator.versions:
            migrator.upgrade(name)
            migrator.check(name)
    migrator.check(CORE)


def test_one_lineage_moves_alone(migrator: Migrator) -> None:
    migrator.upgrade(CORE)
    migrator.upgrade("marketplace")
    migrator.downgrade("marketplace", "base")
    assert states(migrator)["core"] == "current"
    assert states(migrator)["marketplace"] == "absent"
    migrator.upgrade("marketplace")
    assert states(migrator)["marketplace"] == "current"


def test_a_core_change_keeps_the_rows_of_plugins(migrator: Migrator) -> None:
    migrator.upgrade(CORE)
    migrator.upgrade("marketplace")
    with migrator.engine.begin() as c:
        c.exec_driver_sql(PERSON)
        c.exec_driver_sql(
            "INSERT INTO marketplace_person"
            " (id, public_id, user_id, title, keywords, summary, findable, version, changed_at)"
            " VALUES (7, 'x', 1, 't', '[]', '', true, 1, '2026-01-01')"
        )
    add(migrator, PARENT)
    migrator.upgrade(CORE)
    with migrator.engine.begin() as c:
        assert c.exec_driver_sql("SELECT id, user_id FROM marketplace_person").all() == [(7, 1)]
        c.exec_driver_sql("DELETE FROM core_user")
        assert c.exec_driver_sql("SELECT count(*) FROM marketplace_person").scalar() == 0


def test_a_migration_that_breaks_off_leaves_nothing_half_done(migrator: Migrator) -> None:
    migrator.upgrade(CORE)
    add(migrator, BROKEN)
    with pytest.raises(RuntimeError, match="power cut"):
        migrator.upgrade(CORE)
    assert "core_half" not in sa.inspect(migrator.engine).get_table_names()
    assert states(migrator)["core"] == "pending"


def test_a_plugin_that_is_gone_does_not_block_the_others(migrator: Migrator) -> None:
    for name in (CORE, "marketplace", "popsci"):
        migrator.upgrade(name)
    del migrator.versions["popsci"]
    assert states(migrator)["popsci"] == "orphaned"
    migrator.downgrade("marketplace", "base")
    migrator.upgrade("marketplace")


def test_the_core_cannot_go_while_plugins_hold_tables(migrator: Migrator) -> None:
    migrator.upgrade(CORE)
    migrator.upgrade("marketplace")
    with pytest.raises(DatabaseError, match="purge them"):
        migrator.downgrade(CORE, "base")


def test_a_database_newer_than_the_code_is_an_error(migrator: Migrator) -> None:
    add(migrator, PARENT)
    migrator.upgrade(CORE)
    (migrator.versions[CORE] / "core_9999_next.py").unlink()
    with pytest.raises(DatabaseError, match="newer than the installed code"):
        migrator.upgrade(CORE)
