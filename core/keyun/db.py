"""Metadata, column types and engines: what every table of the core and of plugins stands on."""

from __future__ import annotations

import datetime as dt
import re
import uuid
import weakref
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session, registry
from sqlalchemy.types import TypeDecorator

from keyun.errors import ConfigError

__all__ = ["JSON", "Model", "Session", "UTCDateTime", "is_public_id", "is_sqlite", "make_engine", "public_id"]

#: Execution option that makes a SQLite transaction take the write lock at its beginning.
WRITE = "keyun_write"
BUSY_TIMEOUT_MS = 10_000
PUBLIC_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

JSON = sa.JSON


class UTCDateTime(TypeDecorator[dt.datetime]):
    """An aware moment, stored in UTC; a naive value is refused because nobody knows its zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone; use the clock of the unit of work")
        utc = value.astimezone(dt.UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Model(DeclarativeBase):
    """Base class of every table, core and plugin alike.

    A column that holds personal data says so: ``info={"personal": "name"}``. Export, erasure and
    what may leave the node derive from it.
    """

    #: Classes by their bare names, which ``relationship("User")`` looks up; see keyun.plugins.mapping.
    class_names: ClassVar[weakref.WeakValueDictionary[str, Any]] = weakref.WeakValueDictionary()
    registry = registry(
        metadata=sa.MetaData(naming_convention=NAMES),
        class_registry=class_names,
        type_annotation_map={
            dt.datetime: UTCDateTime(),
            dict[str, Any]: JSON(),
            list[str]: JSON(),
        },
    )


def public_id() -> str:
    """A random identifier for the outside: it tells neither order nor time."""
    return str(uuid.uuid4())


def is_public_id(text: str) -> bool:
    """Whether ``text`` has the form of a public id."""
    return PUBLIC_ID.fullmatch(text) is not None


def is_sqlite(bind: sa.Engine | sa.Connection | Session) -> bool:
    """Say whether ``bind`` speaks to SQLite."""
    engine = bind.get_bind() if isinstance(bind, Session) else bind
    return engine.dialect.name == "sqlite"


def refused_column(error: IntegrityError, *columns: str) -> str:
    """Which of ``columns``, unique each, already has the value; only the first line is free of values."""
    text = str(error.orig).partition("\n")[0]
    return next((c for c in columns if re.search(rf"[._]{c}\b", text)), columns[0])


def make_engine(url: str) -> sa.Engine:
    """Make the engine for ``url``: SQLite (WAL, enforced foreign keys) or PostgreSQL.

    Values of statements stay out of the texts of its errors, and so out of logs: they may be personal.

    :raises ConfigError: for another database, which Keyun is not tested on.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return sa.create_engine(url, pool_pre_ping=True, hide_parameters=True)
    if parsed.get_backend_name() != "sqlite":
        raise ConfigError(
            f"database {parsed.get_backend_name()!r} is not supported; use sqlite:///… or postgresql://…"
        )
    wait = {"timeout": BUSY_TIMEOUT_MS / 1000}
    engine = sa.create_engine(url, connect_args=wait, hide_parameters=True)
    event.listen(engine, "connect", _sqlite_connect)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connect(connection: Any, _record: Any) -> None:
    # The driver's own transaction control starts transactions too late for BEGIN IMMEDIATE.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
