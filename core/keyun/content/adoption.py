"""Take over items that another plugin of the same slot wrote.

The newest revisions are what the plugins of one slot have in common: each field has the value that
was written last. From them come the rows an item lacks in the own table of the plugin that serves its
type now, and the columns that changed while another one served. The item itself, its address, state
and owner, lies in the core and is never touched; what does not fit stays stored and is named.

A cursor in ``core_cursor`` (``<plugin>.adopted``) says up to which event the own tables were brought;
an interrupted run begins again there, and doing it twice changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from marshmallow import EXCLUDE, Schema, ValidationError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keyun.access import Actor
from keyun.content.models import Content, Revision
from keyun.content.types import ContentType
from keyun.db import is_sqlite
from keyun.events.follow import Cursor, after, durable_cursor, head
from keyun.events.models import CursorRow, Event
from keyun.forms import complaint
from keyun.plugins.base import Plugin
from keyun.uow import UnitOfWork

if TYPE_CHECKING:
    from keyun.plugins.base import Plugin
    from keyun.site import Site

PERMISSION = "core.import.run"
SUFFIX = ".adopted"
CHUNK = 1000
#: Events after which the own table of the plugin that served then shows what the item says.
WRITTEN = ("content.created", "content.changed", "content.imported")
ITEM = Content.__table__.c
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Adopted:
    """What a run did: rows added and brought up to date, and what was refused, by public id."""

    added: int = 0
    updated: int = 0
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def count(self) -> int:
        """How many items were touched."""
        return self.added + self.updated

    def __add__(self, other: Adopted) -> Adopted:
        return Adopted(
            self.added + other.added, self.updated + other.updated, (*self.refused, *other.refused)
        )


def adopt_all(
    site: Site, actor: Actor, *, plugin: str | None = None, anew: bool = False,
    progress: Progress = lambda text: None,
) -> Adopted:  # fmt: skip
    """Bring the own tables of the loaded plugins (or of one) in step with the revisions.

    Each chunk is a transaction. ``anew`` looks at every item again, also at those refused before.
    """
    site.access.require(actor, PERMISSION)
    done = Adopted()
    for loaded in site.plugins.plugins.values():
        if plugin in (None, loaded.name):
            done += _of_plugin(site, actor, loaded, anew, progress)
    return done


def _of_plugin(site: Site, actor: Actor, plugin: Plugin, anew: bool, progress: Progress) -> Adopted:
    kinds = [t for t in site.types.values() if t.name.partition(".")[0] == plugin.slot]
    with site.reading() as unit:
        since = Cursor() if anew else durable_cursor(unit.session, plugin.name + SUFFIX)
        until = head(unit.session)
    done = Adopted()
    for kind in kinds:
        for ids in _touched(site, kind, since):
            with site.writing() as unit:
                part = adopt(actor, unit, kind, ids)
            done += part
            if part.count and done.count > CHUNK:
                progress(f"{plugin.name}: {done.count:,} items taken over")
    if kinds and until > since:
        with site.writing() as unit:
            _remember(unit.session, plugin.name + SUFFIX, until)
    return done


def _touched(site: Site, kind: ContentType, since: Cursor) -> Iterator[Sequence[int]]:
    """The ids of items that events after ``since`` speak of, a chunk at a time; from the beginning, all."""
    last = 0
    while True:
        with site.reading() as unit:
            query = sa.select(ITEM.id).where(ITEM.type == kind.name, ITEM.id > last)
            if since != Cursor():
                spoken_of = sa.select(Event.subject_id).where(
                    after(unit.session, since), Event.subject_type == kind.name
                )
                query = query.where(ITEM.id.in_(spoken_of))
            ids = unit.session.scalars(query.order_by(ITEM.id).limit(CHUNK)).all()
        if not ids:
            return
        yield ids
        last = ids[-1]


def adopt(actor: Actor, unit: UnitOfWork, kind: ContentType, ids: Collection[int]) -> Adopted:
    """Bring the rows of some items in the own table of ``kind`` in step with their revisions."""
    unit.require(actor, PERMISSION)
    kind = unit.site.content_type(kind.name)
    own = _own_table(kind)
    if own is None:
        return Adopted()
    items = _items(unit.session, kind, ids)
    stored = unit.session.execute(sa.select(own).where(own.c.id.in_(ids))).mappings()
    rows: dict[int, dict[str, Any]] = {r["id"]: dict(r) for r in stored}
    written, fresh = _written(unit.session, items), _fresh(unit.session, kind, items)
    others = _others(unit, kind, items.keys() - rows.keys() - fresh)
    schema, new, changed, refused = kind.schema(), [], 0, []
    unknown = {f.key for f in kind.fields}
    for item in items.values():
        said = written.get(item["id"], {}) | others.get(item["id"], {})
        said = {name: value for name, value in said.items() if name not in unknown}
        try:
            if item["id"] not in rows:
                new.append(_row(schema, own, item, said, unknown))
            elif item["id"] in fresh:
                changed += _bring(unit.session, own, rows[item["id"]], _values(schema, own, said))
        except ValidationError as e:
            refused.append((str(item["public_id"]), str(complaint(schema, e))))
    _insert(unit.session, own, new)
    return Adopted(len(new), changed, tuple(refused))


def missing(unit: UnitOfWork) -> dict[str, int]:
    """How many items of each loaded type have no row in the own table of their plugin."""
    found = {}
    for kind in unit.site.types.values():
        if (own := _own_table(kind)) is not None:
            without = sa.and_(ITEM.type == kind.name, ITEM.id.not_in(sa.select(own.c.id)))
            query = sa.select(sa.func.count()).select_from(Content.__table__).where(without)
            found[kind.name] = int(unit.session.scalar(query) or 0)
    return {name: count for name, count in found.items() if count}


def _own_table(kind: ContentType) -> sa.Table | None:
    table = kind.model.__table__
    return table if isinstance(table, sa.Table) and table is not Content.__table__ else None


def _items(session: Session, kind: ContentType, ids: Collection[int]) -> dict[int, Mapping[str, Any]]:
    query = sa.select(Content.__table__).where(ITEM.type == kind.name, ITEM.id.in_(ids))
    return {r["id"]: dict(r) for r in session.execute(query).mappings()}


def _written(session: Session, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """For each item the value of every field as it was written last."""
    query = sa.select(Revision.content_id, Revision.data).where(Revision.content_id.in_(ids))
    found: dict[int, dict[str, Any]] = {}
    for row in session.execute(query.order_by(Revision.content_id, Revision.version)):
        found.setdefault(row.content_id, {}).update(row.data)
    return found


def _fresh(session: Session, kind: ContentType, ids: Collection[int]) -> set[int]:
    """The items whose last writing left a revision.

    One that did not (a bulk import) wrote the own table of its plugin and nothing that others can read;
    an older revision must not undo it.
    """
    about = (Event.subject_type == kind.name, Event.subject_id.in_(ids), Event.name.in_(WRITTEN))
    latest = sa.select(sa.func.max(Event.id)).where(*about).group_by(Event.subject_id)
    query = sa.select(Event.subject_id, Event.data).where(Event.id.in_(latest))
    return {row.subject_id for row in session.execute(query) if "version" in (row.data or {})}


def _others(unit: UnitOfWork, kind: ContentType, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """What tables of other plugins of the slot hold of items whose last writing left no revision.

    Columns are called like the fields they keep. The tables are read as they stand: the code of the
    other plugin is not loaded, and it may be gone.
    """
    if not ids:
        return {}
    slot, found = kind.name.partition(".")[0], dict[int, dict[str, Any]]()
    serving = unit.site.plugins.plugins[slot].name
    installed = unit.site.plugins.installation.manifests
    names = {slot, *(n for n, m in installed.items() if m.slot == slot)} - {serving}
    connection = unit.session.connection()
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        if not table.startswith(tuple(f"{n}_" for n in names)) or not _is_beside_content(inspector, table):
            continue
        other = sa.Table(table, sa.MetaData(), autoload_with=connection, resolve_fks=False)
        for row in connection.execute(sa.select(other).where(other.c.id.in_(ids))).mappings():
            found[row["id"]] = {name: _written_out(value) for name, value in row.items() if name != "id"}
    return found


def _is_beside_content(inspector: sa.Inspector, table: str) -> bool:
    """Whether each row of ``table`` belongs to the item of the same id."""
    return any(
        key["constrained_columns"] == ["id"] and key["referred_table"] == Content.__tablename__
        for key in inspector.get_foreign_keys(table)
    )


def _written_out(value: Any) -> Any:
    """A value as a form or a revision has it."""
    return value.isoformat() if isinstance(value, dt.date) else value


def _row(
    schema: Schema, own: sa.Table, item: Mapping[str, Any], said: Mapping[str, Any], unknown: Set[str]
) -> dict[str, Any]:
    """The row of an item that has none; what the core stores counts more than what a revision said.

    Fields that other plugins add (``unknown``) lie in the core and need not be there.

    :raises ValidationError: when the type cannot be made of it.
    """
    core = {name: item[name] for name in schema.fields if name in ITEM and name != "extra"}
    values = schema.load({**said, **core}, unknown=EXCLUDE, partial=unknown)
    row = {c.name: values[c.name] if c.name in values else _default(c) for c in own.c if c.name != "id"}
    return {"id": item["id"], **row}


def _values(schema: Schema, own: sa.Table, said: Mapping[str, Any]) -> dict[str, Any]:
    """The own columns that revisions speak of."""
    names = {n for n in schema.fields if n in own.c}
    given = {name: value for name, value in said.items() if name in names}
    values: dict[str, Any] = schema.load(given, partial=True, unknown=EXCLUDE)
    return {name: value for name, value in values.items() if name in names}


def _bring(session: Session, own: sa.Table, row: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """Change what differs; returns whether something did."""
    new = {name: value for name, value in values.items() if row[name] != value}
    if new:
        session.execute(sa.update(own).where(own.c.id == row["id"]).values(new))
    return bool(new)


def _default(column: sa.Column[Any]) -> Any:
    """What a column holds that no schema field fills.

    :raises ValidationError: when it may not be empty and has no default.
    """
    default = column.default
    if isinstance(default, sa.ColumnDefault):
        return default.arg(None) if default.is_callable else default.arg
    if column.nullable:
        return None
    raise ValidationError(
        f"没有默认值，也没有字段填写它。 (No default, and no field fills {column.name}.)", column.name
    )


def _remember(session: Session, consumer: str, place: Cursor) -> None:
    """Store the place. Of two runs at once either may be last: a place too early is only read again."""
    at = {"transaction": place.transaction, "event_id": place.event_id}
    insert = (sqlite.insert if is_sqlite(session) else postgresql.insert)(CursorRow)
    values = insert.values(consumer=consumer, **at)
    session.execute(values.on_conflict_do_update(index_elements=["consumer"], set_=at))


def _insert(session: Session, own: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Two runs at once add a row once."""
    if rows:
        insert = sqlite.insert if is_sqlite(session) else postgresql.insert
        session.execute(insert(own).on_conflict_do_nothing(index_elements=["id"]), list(rows))
