"""Tables, migrations and foreign keys."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import sqlalchemy as sa

from keyun.db import UTCDateTime
from keyun.errors import KeyunError
from keyun.migrate import Migrator
from keyun.testing.contract.report import Problem
from keyun.testing.contract.sources import imports
from keyun.testing.contract.subject import Subject


def migrations_named(s: Subject) -> Iterator[Problem]:
    """Migration files are <plugin>_0001_what.py, their revisions 0001, 0002 … in one line."""
    for number, (path, tree) in enumerate(s.revisions.items(), 1):
        want = f"{number:04}"
        if not re.fullmatch(rf"{s.name}_{want}_[a-z0-9_]+\.py", path.name):
            yield Problem(s.here(path), "its name is out of line", f"call it {s.name}_{want}_what_it_does.py")
        values = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        before = f"{number - 1:04}" if number > 1 else None
        if values.get("revision", want) != want or values.get("down_revision", before) != before:
            yield Problem(
                s.here(path), "revision or down_revision is out of line", f"{want} follows {before}"
            )


def migrations_import_nothing(s: Subject) -> Iterator[Problem]:
    """Migrations import nothing of Keyun or of plugins, so that they mean the same for ever."""
    for path, tree in s.revisions.items():
        for one in imports(tree):
            if one.module.partition(".")[0].startswith("keyun"):
                yield Problem(s.here(path, one.line), f"it imports {one.module}", "write the tables out")


def migrations_run(s: Subject) -> Iterator[Problem]:
    """Migrations go up, down to nothing, and up again."""
    if s.lineage.error:
        yield Problem("migrations", s.lineage.error, "correct upgrade() or downgrade()")


def migrations_leave_nothing(s: Subject) -> Iterator[Problem]:
    """Going down leaves the database as it was."""
    if s.revisions and not s.lineage.error and s.lineage.undone != s.lineage.before:
        odd = {t for t in s.lineage.undone if s.lineage.undone[t] != s.lineage.before.get(t)}
        odd |= s.lineage.before.keys() - s.lineage.undone.keys()
        yield Problem(
            "migrations", f"after downgrade {', '.join(sorted(odd))} differ", "undo all of upgrade()"
        )


def migrations_own_tables(s: Subject) -> Iterator[Problem]:
    """Migrations touch only tables named <plugin>_…."""
    before, after = s.lineage.before, s.lineage.after or s.lineage.before
    for table in sorted({t for t in {*before, *after} if before.get(t) != after.get(t)}):
        if not table.startswith(f"{s.name}_"):
            yield Problem("migrations", f"{table} is changed", "use Content.extra or a table of your own")


def tables_in_namespace(s: Subject) -> Iterator[Problem]:
    """Tables are named <plugin>_…."""
    for table, where in s.tables():
        if not table.name.startswith(f"{s.name}_") and table.name != "core_content":
            yield Problem(where, f"its table is {table.name}", f"rename it to {s.name}_…")


def migrations_match_models(s: Subject) -> Iterator[Problem]:
    """The migrations make exactly the tables of the models."""
    names = {t.name for t, _ in s.tables() if t.name.startswith(f"{s.name}_")}
    if not s.revisions:
        for name in sorted(names):
            yield Problem("migrations", f"nothing makes the table {name}", "write the first migration")
        return
    try:
        Migrator(s.site.runtime.engine, s.installation.manifests).check(s.name)
    except KeyunError as e:
        yield Problem("migrations", str(e).partition(";")[0], "write a migration for the difference")


def _keys(s: Subject) -> Iterator[tuple[str, str, str | None]]:
    for table, _ in s.tables():
        if table.name.startswith(f"{s.name}_"):
            for key in table.foreign_key_constraints:
                yield table.name, next(iter(key.elements)).target_fullname, key.ondelete


def foreign_keys_say_ondelete(s: Subject) -> Iterator[Problem]:
    """Every foreign key says what happens when the row it points to goes: CASCADE or SET NULL."""
    for table, target, ondelete in _keys(s):
        if ondelete not in ("CASCADE", "SET NULL"):
            yield Problem(f"{table} -> {target}", f"ondelete is {ondelete}", "write CASCADE or SET NULL")


def foreign_keys_stay_near(s: Subject) -> Iterator[Problem]:
    """Foreign keys point to tables of the core, of the plugin itself, or of a plugin it requires."""
    allowed = ("core_", *(f"{n}_" for n in (s.name, *(m.name for m in s.required))))
    for table, target, _ in _keys(s):
        if not target.startswith(allowed):
            yield Problem(f"{table} -> {target}", "a table it may not lean on", "add the plugin to requires")


def moments_have_a_zone(s: Subject) -> Iterator[Problem]:
    """Columns with a moment are UTCDateTime; a naive one means another hour on another machine."""
    for table, where in s.tables():
        for column in table.columns:
            if isinstance(column.type, sa.DateTime) and not isinstance(column.type, UTCDateTime):
                yield Problem(f"{where}.{column.name}", "a moment without a zone", "use Mapped[dt.datetime]")


STATIC = (
    migrations_named, migrations_import_nothing, migrations_run, migrations_leave_nothing,
    migrations_own_tables,
)  # fmt: skip
LIVE = (
    tables_in_namespace, migrations_match_models, foreign_keys_say_ondelete, foreign_keys_stay_near,
    moments_have_a_zone,
)  # fmt: skip
