"""Remove a disabled plugin's data for good, after writing all of it into a folder.

Every step may be repeated: a purge that was killed is run again and finishes. What stays is said:
events (the log is only ever added to), settings in ``keyun.toml``, and the installed code.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from keyun.content.adoption import SUFFIX
from keyun.content.fields import forget
from keyun.content.models import Content, Revision
from keyun.db import WRITE, is_sqlite
from keyun.errors import DatabaseError, Invalid, PluginError
from keyun.events.models import CursorRow
from keyun.files.models import Attachment
from keyun.jobs import JobRow
from keyun.migrate import CORE, Migrator
from keyun.plugins.manifest import Manifest
from keyun.reviews.models import Review, ReviewComment, ReviewVerdict

CHUNK = 1000
ITEM = Content.__table__
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a plugin has in this database, found without importing it."""

    name: str
    slot: str
    #: Its own tables, in an order in which none points to a later one.
    tables: tuple[str, ...]
    #: Whether its items go with it; not while another plugin of its slot has tables here or serves.
    owns_items: bool
    #: Who else fills the slot.
    heirs: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing left to remove."""
        return not self.tables and not any(self.counts.values())


def refusals(
    name: str, enabled: Sequence[str], manifests: Mapping[str, Manifest], migrator: Migrator
) -> list[str]:
    """Why the plugin ``name`` cannot be purged now, each with what to do."""
    if name == CORE:
        return ["the core is not a plugin; drop the database instead"]
    status = {s.name: s for s in migrator.status()}
    if name in enabled:
        return [f"{name} is enabled; run `keyun plugins disable {name}` first"]
    if name not in manifests and name not in status:
        return [f"no plugin {name!r}; see `keyun plugins list`"]
    if name not in manifests and status[name].current:
        return [
            f"{name} is not installed, and only its code knows how its tables go; "
            f"pip install the version that made them, then run `keyun plugins purge {name}` again"
        ]
    extending = [n for n in enabled if n in manifests and manifests[n].extends == name]
    problems = [
        f"{n} extends {name} and stands on its tables; run `keyun plugins disable {n}` first"
        for n in extending
    ]
    pointing = sorted(_pointing(migrator.engine, name, status.keys()))
    return problems + [
        f"the tables of {other} point to those of {name}; run `keyun plugins purge {other}` first"
        for other in pointing
    ]


def _pointing(engine: sa.Engine, name: str, lineages: Iterable[str]) -> set[str]:
    """Other lineages with foreign keys to the tables of ``name``."""
    inspector = sa.inspect(engine)
    return {
        other
        for table in inspector.get_table_names()
        for other in lineages
        if other != name and _of(other, table)
        for key in inspector.get_foreign_keys(table)
        if _of(name, key["referred_table"])
    }


def _of(name: str, table: str) -> bool:
    return table.startswith(f"{name}_")


def belongings(
    engine: sa.Engine, name: str, enabled: Sequence[str], manifests: Mapping[str, Manifest]
) -> Belongings:
    """What of the database belongs to ``name``."""
    inspector = sa.inspect(engine)
    names = inspector.get_table_names()
    in_order = [t for t, _ in inspector.get_sorted_table_and_fkc_names() if t is not None]
    tables = tuple(t for t in in_order if _of(name, t))
    slot = manifests[name].slot if name in manifests else name
    heirs = tuple(
        n
        for n, m in sorted(manifests.items())
        if m.slot == slot and n != name and (n in enabled or any(_of(n, t) for t in names))
    )
    owned = Belongings(name, slot, tables, not heirs, heirs)
    with engine.connect() as connection:
        counts = {n: _count(connection, query) for n, query in _queries(engine, owned).items()}
    return Belongings(name, slot, tables, owned.owns_items, heirs, counts)


def _queries(engine: sa.Engine, owned: Belongings) -> dict[str, sa.Select[Any]]:
    """What is exported: every table of the lineage whole, and its rows in tables of the core."""
    metadata = sa.MetaData()
    queries: dict[str, sa.Select[Any]] = {}
    for name in owned.tables:
        table = sa.Table(name, metadata, autoload_with=engine, resolve_fks=False)
        queries[name] = sa.select(table).order_by(*table.primary_key.columns)
    if owned.owns_items:
        items = _named(ITEM.c.type, owned)
        queries["core_content"] = sa.select(ITEM).where(items).order_by(ITEM.c.id)
        revision = Revision.__table__
        of_items = revision.c.content_id.in_(sa.select(ITEM.c.id).where(items))
        queries["core_revision"] = sa.select(revision).where(of_items).order_by(*revision.primary_key)
        queries |= _beside(sa.select(ITEM.c.id).where(items))
    if not owned.heirs:
        job = JobRow.__table__
        queries["core_job"] = sa.select(job).where(_named(job.c.name, owned)).order_by(job.c.id)
        added = Content.extra[owned.slot].as_string().is_not(None)
        others = sa.not_(_named(ITEM.c.type, owned))
        columns = (ITEM.c.id, ITEM.c.public_id, ITEM.c.type, ITEM.c.extra)
        queries["extra"] = sa.select(*columns).where(added, others).order_by(ITEM.c.id)
    return queries


def _beside(items: sa.Select[Any]) -> dict[str, sa.Select[Any]]:
    """Reviews and attachments of ``items``, which go with them."""
    review, attachment = Review.__table__, Attachment.__table__
    reviews = sa.select(review.c.id).where(review.c.content_id.in_(items))
    verdict, comment = ReviewVerdict.__table__, ReviewComment.__table__
    return {
        "core_review": sa.select(review).where(review.c.content_id.in_(items)).order_by(review.c.id),
        "core_review_verdict": sa.select(verdict)
        .where(verdict.c.review_id.in_(reviews))
        .order_by(verdict.c.id),
        "core_review_comment": sa.select(comment)
        .where(comment.c.review_id.in_(reviews))
        .order_by(comment.c.id),
        "core_attachment": sa.select(attachment)
        .where(attachment.c.content_id.in_(items))
        .order_by(attachment.c.id),
    }


def _named(column: Any, owned: Belongings) -> sa.ColumnElement[bool]:
    """Whether a name is ``<slot>.…``, as types, jobs and cursors of a plugin are called."""
    found: sa.ColumnElement[bool] = column.startswith(f"{owned.slot}.", autoescape=True)
    return found


def _count(connection: sa.Connection, query: sa.Select[Any]) -> int:
    inner = query.order_by(None).subquery()
    return int(connection.scalar(sa.select(sa.func.count()).select_from(inner)) or 0)


# Export -------------------------------------------------------------------------------------------------


def export(engine: sa.Engine, owned: Belongings, folder: Path, now: dt.datetime) -> Path:
    """Write everything of ``owned`` into a new folder below ``folder``; returns it.

    One JSONL file for each table, every column, in one reading transaction. ``manifest.json`` is written
    last and holds the counts: without it a folder is not complete.

    :raises Invalid: when a file cannot be written, or does not hold what the database does.
    """
    try:
        place = _fresh(folder, f"{owned.name}-{now:%Y%m%d-%H%M%S}")
        with engine.connect().execution_options(**_snapshot(engine)) as connection:
            written = {}
            for name, query in _queries(engine, owned).items():
                written[name] = _dump(connection, query, place / f"{name}.jsonl")
                if written[name] != _count(connection, query):
                    raise Invalid(f"{place / name}.jsonl is not complete; nothing was removed, try again")
        about = {"plugin": owned.name, "slot": owned.slot, "at": now.isoformat(), "records": written}
        _save(place / "manifest.json", json.dumps(about, ensure_ascii=False, indent=2) + "\n")
        _sync(place)
        _sync(folder)
    except OSError as e:
        raise Invalid(f"{folder}: {e.strerror or e}; nothing was removed, name another --export-to") from e
    return place


def _fresh(folder: Path, name: str) -> Path:
    """A folder nobody has written into; only this account can read it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        place = folder / (name if number == 1 else f"{name}-{number}")
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return place
    raise Invalid(f"{folder} is full of exports of {name}; name another --export-to")


def _snapshot(engine: sa.Engine) -> dict[str, Any]:
    return {} if is_sqlite(engine) else {"isolation_level": "REPEATABLE READ"}


def _dump(connection: sa.Connection, query: sa.Select[Any], path: Path) -> int:
    """Write the rows one by one; returns how many lines the file has when it is read back."""
    with path.open("w", encoding="utf-8") as f:
        for row in connection.execution_options(yield_per=CHUNK).execute(query).mappings():
            f.write(json.dumps(dict(row), ensure_ascii=False, default=_plain) + "\n")
        f.flush()
        os.fsync(f.fileno())
    with path.open("rb") as f:
        return sum(1 for _ in f)


def _plain(value: Any) -> Any:
    """A column value that JSON does not know."""
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return {"base64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, decimal.Decimal):
        return str(value)
    return str(value)


def _save(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# Removal ------------------------------------------------------------------------------------------------


def remove(migrator: Migrator, owned: Belongings, progress: Progress = lambda text: None) -> None:
    """Remove what ``owned`` says; each step finishes what a killed run left of it."""
    engine = migrator.engine
    if not owned.heirs:
        _write(engine, sa.delete(JobRow).where(_named(JobRow.name, owned)))
        _forget_values(engine, owned.slot)
    if owned.owns_items:
        _remove_items(engine, owned, progress)
    status = {s.name: s for s in migrator.status()}.get(owned.name)
    if status is not None and status.current:
        try:
            migrator.downgrade(owned.name, "base")
        except DatabaseError:
            raise
        # A stranger's migration may fail in any way; the lineage stands where it stood.
        except Exception as e:
            raise PluginError(
                [f"{owned.name}: its downgrade failed ({type(e).__name__}: {e}); its tables are untouched"]
            ) from e
    left = [t for t in sa.inspect(engine).get_table_names() if _of(owned.name, t)]
    if left:
        raise PluginError(
            [f"{owned.name}: its migrations leave {', '.join(left)} behind; report it to its author"]
        )
    _write(engine, sa.text(f'DROP TABLE IF EXISTS "alembic_version_{owned.name}"'))
    _write(engine, sa.delete(CursorRow).where(_cursors(owned)))


def _cursors(owned: Belongings) -> sa.ColumnElement[bool]:
    own = CursorRow.consumer == owned.name + SUFFIX
    of_slot = sa.and_(_named(CursorRow.consumer, owned), CursorRow.consumer.not_like(f"%{SUFFIX}"))
    return own if owned.heirs else sa.or_(own, of_slot)


def _write(engine: sa.Engine, statement: sa.Executable) -> int:
    """Run one statement in a transaction of its own; returns how many rows it concerned."""
    with engine.connect().execution_options(**{WRITE: True}) as connection, connection.begin():
        return connection.execute(statement).rowcount


def _forget_values(engine: sa.Engine, slot: str) -> None:
    """What the plugin kept at items of others."""
    with Session(engine) as session:
        session.connection(execution_options={WRITE: True})
        forget(session, slot)
        session.commit()


def _remove_items(engine: sa.Engine, owned: Belongings, progress: Progress) -> None:
    """Delete the items of its types, a chunk at a time; what points to them goes by its ON DELETE."""
    first = sa.select(ITEM.c.id).where(_named(ITEM.c.type, owned)).order_by(ITEM.c.id).limit(CHUNK)
    delete, removed = sa.delete(Content).where(ITEM.c.id.in_(first)), 0
    while gone := _write(engine, delete):
        removed += gone
        progress(f"{owned.name}: {removed:,} items removed")
