"""One person's data: hand all of it over, or forget it. Both follow from the tables themselves.

A row belongs to a person when it points to ``core_user``, directly or as the 1:1 extension of such a
row. What becomes of it is what its foreign key says: ``CASCADE`` rows are deleted with the account,
``SET NULL`` rows stay, lose the link, and have the columns marked ``info={"personal": …}`` emptied.
A marked column may say more: ``"erase": value`` is written instead of nothing, and ``"hook": True``
means that the plugin's own ``keyun_export_user`` and ``keyun_erase_user`` take care of it. Columns
marked ``info={"secret": True}`` are never handed over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from keyun.access import Actor, system
from keyun.accounts.models import Grant, User
from keyun.db import Model
from keyun.errors import Conflict
from keyun.events.models import Event
from keyun.jobs import JobRow
from keyun.uow import UnitOfWork

USER = cast("sa.Table", User.__table__)
EVENT = cast("sa.Table", Event.__table__)


@dataclass(frozen=True, slots=True)
class Export:
    """Rows of one kind about one person; ``name`` says which, the values are plain data."""

    name: str
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Held:
    """Rows of ``table`` that meet ``of`` belong to a person; they are ``deleted`` with it, or stay."""

    table: sa.Table
    of: sa.ColumnElement[bool]
    deleted: bool


def export(actor: Actor, unit: UnitOfWork, user: User) -> dict[str, list[Mapping[str, Any]]]:
    """Everything about ``user``, by kind."""
    unit.require(actor, "core.account.edit", user)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for part in unit.site.plugins.export_user(unit, user.id):
        found.setdefault(part.name, []).extend(part.rows)
    return found


def erase(actor: Actor, unit: UnitOfWork, user: User) -> None:
    """Forget ``user`` for good; what stays are events that carry a number nobody can trace any more.

    :raises Conflict: when nobody else could administer the site afterwards.
    """
    unit.require(actor, "core.account.edit", user)
    others = (
        sa.select(Grant.user_id)
        .join(User)
        .where(Grant.role == "admin", Grant.user_id != user.id, User.active.is_(True))
    )
    if any(g.role == "admin" for g in user.grants) and unit.session.scalar(others.limit(1)) is None:
        raise Conflict(
            "这是唯一的管理员账号，请先把管理员角色授予别人。"
            " (This is the only administrator; grant the role to somebody else first.)"
        )
    # Not by its own actor: the event outlives him.
    unit.record("user.erased", "user", user.id, system())
    unit.session.flush()
    unit.site.plugins.erase_user(unit, user.id)


def rows_of(session: Session, user_id: int) -> Iterator[Export]:
    """Every row about a person in the tables of the core and of the loaded plugins, and what he did."""
    for held in holdings(session, user_id):
        rows = session.execute(sa.select(*_shown(held.table)).where(held.of)).mappings()
        yield Export(held.table.name, [_plain(held.table, dict(row), user_id) for row in rows])
    about = (EVENT.c.subject_type == "user") & (EVENT.c.subject_id == user_id)
    mine = sa.select(EVENT).where((EVENT.c.actor_id == user_id) | about).order_by(EVENT.c.id)
    rows = session.execute(mine).mappings()
    shown = ("at", "name", "subject_type", "data")
    yield Export(EVENT.name, [{k: _value(row[k]) for k in shown} for row in rows])


def forget(unit: UnitOfWork, user_id: int) -> None:
    """Empty what stays, drop jobs about the person, and delete the account with all that hangs on it."""
    session = unit.session
    for held in holdings(session, user_id):
        values = {c.name: _emptied(c) for c in held.table.columns if "personal" in c.info}
        if values and not held.deleted:
            session.execute(sa.update(held.table).where(held.of).values(values))
    waiting = session.execute(sa.select(JobRow.id, JobRow.payload).where(JobRow.state != "running"))
    about = [number for number, payload in waiting if payload.get("user_id") == user_id]
    session.execute(sa.delete(JobRow).where(JobRow.id.in_(about)))
    session.expunge_all()
    session.execute(sa.delete(USER).where(USER.c.id == user_id))


def holdings(session: Session, user_id: int) -> list[Held]:
    """Where rows of a person lie: tables that exist here and whose models are loaded."""
    here = set(sa.inspect(session.connection()).get_table_names())
    tables = [t for t in Model.metadata.sorted_tables if t.name in here]
    found: dict[str, Held] = {USER.name: Held(USER, USER.c.id == user_id, True)}
    for table in tables:
        links = _links(table)
        if links:
            of = sa.or_(*(fk.parent == user_id for fk in links))
            found[table.name] = Held(table, of, any(fk.ondelete == "CASCADE" for fk in links))
        elif (base := _extends(table)) is not None and base.table.name in found:
            parent = found[base.table.name]
            inside = next(iter(table.primary_key)).in_(sa.select(base).where(parent.of))
            found[table.name] = Held(table, inside, parent.deleted)
    return list(found.values())


def uncovered(*models: type[Model]) -> list[str]:
    """Columns marked as personal that neither export nor erasure would reach, each with the reason.

    Without ``models``, those of every model that is imported.
    """
    chosen = models or tuple(m.class_ for m in Model.registry.mappers)
    tables = {t.name: t for m in chosen if isinstance(t := m.__table__, sa.Table)}
    return [
        f"{name}.{column.name}: {reason}"
        for name, table in sorted(tables.items())
        for column in table.columns
        if "personal" in column.info and (reason := _gap(table, column))
    ]


def _gap(table: sa.Table, column: sa.Column[Any]) -> str:
    if table is USER or column.info.get("hook"):
        return ""
    base = table
    while not _links(base) and (parent := _extends(base)) is not None:
        base = parent.table
    links = _links(base)
    if not links:
        return 'no foreign key leads to core_user; add one, or handle it in your hooks and mark "hook": True'
    if any(fk.ondelete == "CASCADE" for fk in links) or "erase" in column.info:
        return ""
    if column.nullable or isinstance(column.type, sa.String):
        return ""
    return 'it stays without the person and cannot be emptied; make it nullable or mark "erase": value'


def _links(table: sa.Table) -> list[sa.ForeignKey]:
    return [fk for fk in table.foreign_keys if fk.column.table is USER]


def _extends(table: sa.Table) -> sa.Column[Any] | None:
    """The primary key that the single primary key of ``table`` points to: a 1:1 extension."""
    keys = [fk for c in table.primary_key for fk in c.foreign_keys]
    if len(table.primary_key) != 1 or len(keys) != 1 or not keys[0].column.primary_key:
        return None
    return keys[0].column


def _emptied(column: sa.Column[Any]) -> Any:
    if "erase" in column.info:
        return column.info["erase"]
    return None if column.nullable else ""


def _shown(table: sa.Table) -> Iterable[sa.Column[Any]]:
    return [c for c in table.columns if not c.info.get("secret")]


def _plain(table: sa.Table, row: Mapping[str, Any], user_id: int) -> dict[str, Any]:
    """A row as plain data; who else stands in it is not this person's to know by number."""
    users = {fk.parent.name for fk in _links(table)}
    shown = {k: _value(v) for k, v in row.items() if k not in users}
    return shown | {k: "self" for k in users if row.get(k) == user_id}


def _value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime | dt.date) else value
