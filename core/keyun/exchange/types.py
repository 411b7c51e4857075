"""What an importer is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
