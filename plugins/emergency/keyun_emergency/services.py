"""What the library of resources allows. Keyun never issues warnings: it explains what to do."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from marshmallow import fields, validate

from keyun.access import Actor
from keyun.content import ContentType, change, create, publish, published
from keyun.content.types import MAX_BODY, MAX_SUMMARY, MAX_TITLE
from keyun.errors import Invalid
from keyun.exchange import Importer, Row, RowError, Written
from keyun.forms import Form, RegionCode, Text
from keyun.uow import UnitOfWork
from keyun_emergency.models import RESOURCE, Resource

#: Keyun's own short list of hazards, not a claim to any national table.
HAZARDS = ("earthquake", "flood", "debris-flow", "forest-fire", "heat", "cold", "lightning", "other")
PHASES = ("before", "during", "after")
MOST = 200


class ResourceSchema(Form):
    """A resource."""

    title = Text("标题", MAX_TITLE, least=2)
    summary = Text("摘要", MAX_SUMMARY)
    body = Text("正文", MAX_BODY, least=1)
    hazard = fields.String(required=True, validate=validate.OneOf(HAZARDS), metadata={"label": "灾种"})
    phase = fields.String(load_default="during", validate=validate.OneOf(PHASES), metadata={"label": "阶段"})
    voucher = Text("担保人或单位", 120, least=1)
    region = RegionCode(required=True)


class ResourceRow(ResourceSchema):
    """One row of a resources file."""

    external_id = fields.String(required=True, validate=validate.Length(1, 120), metadata={"label": "外部编号"})


def resource_type() -> ContentType:
    """应急科普资源."""
    return ContentType(RESOURCE, Resource, ResourceSchema, "emergency.resource", "应急科普资源", "emergency resources")


def resources(unit: UnitOfWork, hazard: str | None) -> Sequence[Resource]:
    """Published resources of a hazard; open to everyone."""
    query = sa.select(Resource).where(published(unit.now))
    if hazard:
        query = query.where(Resource.hazard == hazard)
    return unit.session.scalars(query.order_by(Resource.hazard, Resource.phase, Resource.id).limit(MOST)).all()


def importer() -> Importer:
    """Import of resources."""
    return Importer("resources", "应急科普资源", ResourceRow, write, "core.import.run")


def write(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk; a resource that screening refuses comes back as an error."""
    unit.require(actor, "core.import.run")
    ids = [r["external_id"] for _, r in rows]
    known = {i.external_id: i for i in unit.session.scalars(sa.select(Resource).where(Resource.external_id.in_(ids)))}
    created = changed = 0
    errors: list[RowError] = []
    for number, row in rows:
        values = {k: v for k, v in row.items() if k != "external_id"}
        try:
            with unit.session.begin_nested():
                if row["external_id"] in known:
                    change(actor, unit, known[row["external_id"]], values)
                    changed += 1
                else:
                    item = create(actor, unit, resource_type(), values)
                    item.external_id = row["external_id"]
                    publish(actor, unit, item)
                    created += 1
        except Invalid as e:
            errors.append(RowError(number, str(e), row))
    return Written(created, changed, errors)
