"""What an importer and an exporter are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marshmallow import Schema

if TYPE_CHECKING:
    from keyun.access import Actor
    from keyun.uow import UnitOfWork

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RowError:
    """Why one row was refused: its number in the file (1 is the first record) and the reasons."""

    number: int
    reasons: str
    row: Row


@dataclass(frozen=True, slots=True)
class Written:
    """What one chunk did."""

    created: int
    changed: int
    errors: Sequence[RowError] = ()


@dataclass(frozen=True, slots=True)
class Importer:
    """Something that ``keyun import`` can read.

    ``schema`` validates one row and is the documentation of the columns; a field with
    ``metadata={"label": "名称"}`` may be headed by its label. ``write`` gets up to 1,000 valid rows as
    (number, values) and writes them in the caller's transaction: rows it knows by ``key`` are changed,
    not doubled; rows it must refuse (an unknown owner) come back as errors. No two rows of a file have
    the same ``key``. ``write`` may be called again with some of the rows, after a rollback.
    """

    name: str
    title: str
    schema: type[Schema]
    write: Callable[[Actor, UnitOfWork, Sequence[tuple[int, Row]]], Written]
    permission: str
    #: The column that tells one record from another.
    key: str = "external_id"
    #: The content type it writes; the fields that plugins add to that type become columns too.
    type: str = ""


@dataclass(frozen=True, slots=True)
class Exporter:
    """Something that ``keyun export`` can write, in the columns its importer reads.

    ``schema`` names the columns and their order. ``read`` checks ``permission`` and yields one mapping
    for each record, column to plain value (text, number, truth, list of texts, None), in chunks, so that
    memory stays bounded. ``personal`` are the columns that hold personal data.
    """

    name: str
    title: str
    schema: type[Schema]
    read: Callable[[Actor, UnitOfWork], Iterator[Row]]
    permission: str
    personal: tuple[str, ...] = ()
    #: The content type it reads; the fields that plugins add to that type become columns too.
    type: str = ""
    #: What a reader of the file should know, such as what is left out.
    note: str = ""
