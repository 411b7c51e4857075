"""Take in items from an import file: the same screening as on a page, one revision and event for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun.access import Actor
from keyun.content.fields import merged, news
from keyun.content.models import ENDED, Content, Revision
from keyun.content.types import ContentType, Draft
from keyun.db import is_public_id
from keyun.exchange.types import Row, RowError, Written
from keyun.reviews.lifecycle import Submission, submit_all
from keyun.reviews.policy import BY_RULE, rule_for
from keyun.uow import UnitOfWork

IMPORT = "core.import.run"


def take_in(actor: Actor, unit: UnitOfWork, kind: ContentType, rows: Sequence[tuple[int, Row]]) -> Written:
    """Create or change items of ``kind``, known by their ``external_id``, and publish what is new.

    A row that a screener refuses, or whose region is unknown, comes back as an error. What a screener
    or a rule holds is published only for the operator at the command line, who answers for the file; of
    anybody else it waits for a reviewer, who is not the same person. A row that says nothing new changes
    nothing.
    """
    unit.require(actor, IMPORT)
    kind = unit.site.content_type(kind.name)
    names = [row["external_id"] for _, row in rows]
    # An export names an item that has no external id by its public id.
    own = sa.and_(Content.external_id.is_(None), Content.public_id.in_([n for n in names if is_public_id(n)]))
    query = sa.select(kind.model).where(
        Content.type == kind.name, sa.or_(Content.external_id.in_(names), own)
    )
    known = {item.external_id or item.public_id: item for item in unit.session.scalars(query)}
    errors: list[RowError] = []
    written: dict[str, list[Content]] = {"created": [], "changed": []}
    public: set[int] = {item.id for item in known.values() if item.state == "published"}
    for number, row in rows:
        values = {k: v for k, v in row.items() if k != "external_id"}
        held, reasons = _judge(actor, unit, kind, values)
        if reasons:
            errors.append(RowError(number, " ".join(reasons), row))
            continue
        item = known.get(row["external_id"])
        if item is None:
            item = known[row["external_id"]] = _new(actor, unit, kind, row["external_id"], values, held)
            unit.session.add(item)
            written["created"].append(item)
        elif item.state not in ENDED and _change(actor, unit, kind, item, values, held):
            written["changed"].append(item)
    unit.session.flush()
    for verb, items in written.items():
        for item in items:
            _remember(actor, unit, kind, item, verb)
    waiting = [i for items in written.values() for i in items if i.state == "submitted"]
    if waiting:
        unit.session.flush()
        submit_all(actor, unit, [_submission(unit, kind, i, i.id in public) for i in waiting])
    return Written(len(written["created"]), len(written["changed"]), errors)


def _judge(
    actor: Actor, unit: UnitOfWork, kind: ContentType, values: Mapping[str, Any]
) -> tuple[str, list[str]]:
    """Why the row is held, and why it is refused."""
    region = values.get("region")
    if region and region not in unit.site.regions:
        return "", [f"行政区划代码 {region} 不存在。 (Unknown region code.)"]
    flat = {k: v for k, v in values.items() if k != "extra"} | _added(kind, values)
    draft = Draft(kind.name, values["title"], values.get("summary", ""), values.get("body", ""), region, flat)
    verdicts = unit.site.plugins.screen(actor, draft)
    refused = [v.reason for v in verdicts if v.refused]
    held = [v.reason for v in verdicts]
    if not held and not actor.is_system and rule_for(unit, kind.name, region, flat).review_first:
        held = [BY_RULE]
    return " ".join(held), refused


def _added(kind: ContentType, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of added fields by key, as a form names them."""
    return {f.key: f.value_of(values.get("extra", {})) for f in kind.fields}


def _new(
    actor: Actor, unit: UnitOfWork, kind: ContentType, external_id: str, values: Mapping[str, Any], held: str
) -> Content:
    item = kind.model(
        **{"extra": {}, **values},
        type=kind.name,
        external_id=external_id,
        owner_id=actor.user_id,
        created_at=unit.now,
        changed_at=unit.now,
    )
    _settle(actor, unit, item, held)
    return item


def _change(
    actor: Actor, unit: UnitOfWork, kind: ContentType, item: Content, values: Mapping[str, Any], held: str
) -> bool:
    values = {**values, "extra": merged(item.extra, news(kind, item.extra, values.get("extra", {})))}
    new = {name: value for name, value in values.items() if getattr(item, name) != value}
    for name, value in new.items():
        setattr(item, name, value)
    if new:
        item.changed_at = unit.now
        if item.state == "published":
            _settle(actor, unit, item, held)
    return bool(new)


def _settle(actor: Actor, unit: UnitOfWork, item: Content, held: str) -> None:
    """Publish ``item``, or leave it to a reviewer when it is held and a person brings it."""
    if held and not actor.is_system:
        item.state, item.note = "submitted", held
        return
    if held:
        item.reviewed_at = unit.now
    item.state, item.note, item.published_at = "published", "", item.published_at or unit.now


def _submission(unit: UnitOfWork, kind: ContentType, item: Content, was_public: bool) -> Submission:
    return Submission(item, rule_for(unit, item.type, item.region, kind.schema().dump(item)), was_public)


def _remember(actor: Actor, unit: UnitOfWork, kind: ContentType, item: Content, verb: str) -> None:
    data = kind.schema().dump(item)
    unit.session.add(
        Revision(content_id=item.id, version=item.version, at=unit.now, actor_id=actor.user_id, data=data)
    )
    unit.record(f"content.{verb}", item.type, item.id, actor, version=item.version)
    if verb == "created" and item.state == "published":
        unit.record("content.published", item.type, item.id, actor)
