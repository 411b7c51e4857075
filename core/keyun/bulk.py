"""Bulk statements for importers: what is known already, and rows written by the thousand.

PostgreSQL takes a chunk as one JSON document in one statement, which costs a fraction of a message
for each row; SQLite runs in this process, where the driver's executemany is the quickest way.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from keyun.db import Model, is_public_id, is_sqlite

__all__ = ["insert_many", "known", "known_ids", "known_rows", "update_many"]

Values = Mapping[str, Any]


def known(
    session: Session, key: Any, value: Any, keys: Iterable[str | None], *conditions: sa.ColumnElement[bool]
) -> dict[str, Any]:
    """What the column ``value`` is where ``key`` is one of ``keys``: such as ``User.id`` by external id.

    ``key`` tells rows apart that meet the ``conditions``, and has an index. One SELECT for one chunk;
    empty keys are left out.
    """
    rows = _among(session, key, (value,), keys, conditions)
    return {row[0]: row[1] for row in rows}


def known_rows(
    session: Session,
    key: Any,
    columns: Sequence[Any],
    keys: Iterable[str | None],
    *conditions: sa.ColumnElement[bool],
) -> dict[str, Values]:
    """Like :func:`known` for several ``columns``: a mapping from column name to value for each key."""
    names = [c.key for c in columns]
    return {
        row[0]: dict(zip(names, row[1:], strict=True))
        for row in _among(session, key, columns, keys, conditions)
    }


def known_ids(
    session: Session, model: Any, names: Iterable[str | None], *conditions: sa.ColumnElement[bool]
) -> dict[str, int]:
    """The ids of rows of ``model`` by their external id, or by the public id of those that have none.

    An export names a record that way, so its file can be read again.
    """
    wanted = list(names)
    found = known(session, model.external_id, model.id, wanted, *conditions)
    others = [n for n in wanted if n and n not in found and is_public_id(n)]
    more = known(session, model.public_id, model.id, others, model.external_id.is_(None), *conditions)
    return found | more


def _among(
    session: Session,
    key: Any,
    columns: Sequence[Any],
    keys: Iterable[str | None],
    conditions: Sequence[sa.ColumnElement[bool]],
) -> Sequence[Any]:
    wanted = sorted({k for k in keys if k})
    if not wanted:
        return []
    # One parameter holds them all, where an IN list has one for each.
    document = json.dumps(wanted, ensure_ascii=False)
    if is_sqlite(session):
        texts = sa.select(sa.func.json_each(document).table_valued("value").c.value)
        return session.execute(sa.select(key, *columns).where(key.in_(texts), *conditions)).all()
    # Key by key through the index: PostgreSQL has no statistics of a table that is just being filled,
    # and reads all of it for every chunk when it may choose.
    array = sa.func.json_array_elements_text(sa.cast(sa.literal(document, sa.Text), sa.JSON))
    each = array.table_valued(sa.column("value", sa.Text), name="wanted").render_derived()
    found = sa.select(*columns).where(key == each.c.value, *conditions).limit(1).lateral("found")
    return session.execute(sa.select(each.c.value, *found.c).join_from(each, found, sa.true())).all()


def insert_many(
    session: Session, model: type[Model], rows: Sequence[Values], key: str | None = None
) -> dict[str, int]:
    """Insert ``rows`` into the table of ``model`` (its own one when it inherits).

    All rows have the same keys and name every column that may not be empty. With ``key``, a column
    such as ``external_id``, the new ids come back by its values.

    :raises ValueError: when a column that may not be empty is left out; defaults of the model do not apply.
    """
    if not rows:
        return {}
    table = _table(model)
    needed = {c.name for c in table.columns if not c.nullable and c is not table.autoincrement_column}
    if missing := sorted(needed - rows[0].keys()):
        raise ValueError(f"{table.name}: {', '.join(missing)} may not be empty; give a value in every row")
    if is_sqlite(session):
        return _insert_sqlite(session.connection(), table, rows, key)
    insert = sa.insert(table).from_select(list(rows[0]), sa.select(*_records(table, rows).c))
    if key is None:
        session.connection().execute(insert)
        return {}
    return {
        row[0]: row[1] for row in session.connection().execute(insert.returning(table.c[key], table.c.id))
    }


def _insert_sqlite(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Values], key: str | None
) -> dict[str, int]:
    """Hand the rows to the driver as they are stored; SQLAlchemy's work for each costs more than SQLite's."""
    quote = connection.dialect.identifier_preparer
    columns = [table.c[n] for n in rows[0]]
    names = ", ".join(quote.format_column(c) for c in columns)
    marks = ", ".join("?" * len(columns))
    # This transaction holds the only write lock, so every later id is one of ours.
    before = connection.scalar(sa.select(sa.func.max(table.c.id))) or 0 if key else 0
    connection.exec_driver_sql(
        f"INSERT INTO {quote.format_table(table)} ({names}) VALUES ({marks})",
        list(zip(*(_stored(c, rows, connection.dialect) for c in columns), strict=True)),
    )
    if key is None:
        return {}
    new = connection.execute(sa.select(table.c[key], table.c.id).where(table.c.id > before))
    return {row[0]: row[1] for row in new}


def _stored(column: sa.Column[Any], rows: Sequence[Values], dialect: sa.Dialect) -> list[Any]:
    """The values of one column as the driver takes them."""
    values = [row[column.name] for row in rows]
    convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    if convert is None:
        return values
    if all(v is values[0] for v in values):
        return [convert(values[0])] * len(values)
    return [convert(v) for v in values]


def update_many(
    session: Session, model: type[Model], rows: Sequence[Values], computed: Mapping[str, Any] | None = None
) -> None:
    """Set the columns of ``model`` that ``rows`` name, each row found by its ``id``; all have the same keys.

    ``computed`` are columns that get an SQL expression, such as ``{"version": Content.version + 1}``.
    """
    if not rows:
        return
    table = _table(model)
    names = [n for n in rows[0] if n != "id"]
    if is_sqlite(session):
        change = sa.update(table).where(table.c.id == sa.bindparam("row_id"))
        values: dict[str, Any] = {n: sa.bindparam(f"new_{n}") for n in names}
        given = [{"row_id": r["id"]} | {f"new_{n}": r[n] for n in names} for r in rows]
        session.connection().execute(change.values({**values, **(computed or {})}), given)
        return
    new = _records(table, rows)
    change = sa.update(table).where(table.c.id == new.c.id)
    session.connection().execute(change.values({**{n: new.c[n] for n in names}, **(computed or {})}))


def _table(model: type[Model]) -> sa.Table:
    table = model.__table__
    if not isinstance(table, sa.Table):
        raise TypeError(f"{model.__name__} is not mapped to a table")
    return table


def _records(table: sa.Table, rows: Sequence[Values]) -> sa.TableValuedAlias:
    """``rows`` as a relation: ``json_to_recordset(…) AS new(id integer, …)`` with the types of ``table``."""
    text = json.dumps([dict(r) for r in rows], ensure_ascii=False, default=_plain)
    columns = [sa.column(name, table.c[name].type) for name in rows[0]]
    document = sa.cast(sa.literal(text, sa.Text), sa.JSON)
    records = sa.func.json_to_recordset(document).table_valued(*columns, name="new")
    return records.render_derived(with_types=True)


def _plain(value: Any) -> str:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written in bulk; give text, numbers, dates or JSON")
