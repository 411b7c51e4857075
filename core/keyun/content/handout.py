"""Read published items for an export, in the columns their importer takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from marshmallow import Schema

from keyun.access import Actor
from keyun.accounts.models import Organization, User
from keyun.content.models import Content
from keyun.content.services import published
from keyun.content.types import ContentType
from keyun.exchange.types import Exporter, Row
from keyun.uow import UnitOfWork

EXPORT = "core.export.run"
CHUNK = 1000
NOTE = "what is not public (drafts, withdrawn and expired items) is left out"


def content_exporter(name: str, title: str, kind: ContentType, row: type[Schema]) -> Exporter:
    """An exporter of the published items of ``kind``; ``row`` is the schema of the importer.

    An item without an external id is named by its public id, which the import knows too. The columns
    ``owner`` and ``organization``, where ``row`` has them, name them the same way.
    """
    references = tuple(n for n in ("owner", "organization") if n in row().fields)
    read = partial(_items, type_name=kind.name, references=references)
    return Exporter(name, title, row, read, EXPORT, type=kind.name, note=NOTE)


def _items(actor: Actor, unit: UnitOfWork, *, type_name: str, references: Sequence[str]) -> Iterator[Row]:
    unit.require(actor, EXPORT)
    kind = unit.site.content_type(type_name)
    schema, last = kind.schema(), 0
    query = sa.select(kind.model).where(Content.type == kind.name, published(unit.now)).order_by(Content.id)
    while items := unit.session.scalars(query.where(Content.id > last).limit(CHUNK)).all():
        names = {r: _names(unit, r, items) for r in references}
        for item in items:
            row: dict[str, Any] = schema.dump(item)
            row["external_id"] = item.external_id or item.public_id
            yield row | {r: names[r].get(getattr(item, f"{r}_id")) for r in references}
        last = items[-1].id
        unit.session.expunge_all()


def _names(unit: UnitOfWork, reference: str, items: Sequence[Content]) -> dict[int | None, str]:
    """What the owners (or organizations) of ``items`` are called in files."""
    model = User if reference == "owner" else Organization
    ids = {getattr(i, f"{reference}_id") for i in items}
    name = sa.func.coalesce(model.external_id, model.public_id)
    return {
        row[0]: row[1] for row in unit.session.execute(sa.select(model.id, name).where(model.id.in_(ids)))
    }
