"""Import offers, needs and people. Rows are known by ``external_id``: importing again doubles nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from marshmallow import fields, validate

from keyun.access import Actor
from keyun.accounts import Organization, User
from keyun.content import Content, ContentType, merged, news
from keyun.db import is_public_id, public_id
from keyun.exchange import Importer, Row, RowError, Written, insert_many, known_ids, known_rows, update_many
from keyun.uow import UnitOfWork
from keyun_marketplace.models import NEED, OFFER, PERSON, Need, Offer, Person
from keyun_marketplace.schemas import NeedSchema, OfferSchema, PersonSchema
from keyun_marketplace.services import need_type, offer_type

FIXED = {
    "state": "published",
    "language": "zh",
    "share": "local",
    "origin": "",
    "voucher": "",
    "version": 1,
    "note": "",
}
CONTENT_COLUMNS = ("title", "summary", "body", "region", "owner_id", "organization_id", "extra")


class OfferRow(OfferSchema):
    """One row of an offers file."""

    external_id = fields.String(
        required=True, validate=validate.Length(1, 120), metadata={"label": "外部编号"}
    )
    owner = fields.String(load_default=None, allow_none=True, metadata={"label": "所有者编号"})
    organization = fields.String(load_default=None, allow_none=True, metadata={"label": "单位编号"})


class NeedRow(NeedSchema):
    """One row of a needs file."""

    external_id = fields.String(
        required=True, validate=validate.Length(1, 120), metadata={"label": "外部编号"}
    )
    owner = fields.String(load_default=None, allow_none=True, metadata={"label": "所有者编号"})
    organization = fields.String(load_default=None, allow_none=True, metadata={"label": "单位编号"})


class PersonRow(PersonSchema):
    """One row of a people file; ``user`` is the external id of an imported user."""

    user = fields.String(required=True, validate=validate.Length(1, 120), metadata={"label": "用户编号"})


def importers() -> tuple[Importer, ...]:
    """What the marketplace can import."""
    permission = "core.import.run"
    return (
        Importer("offers", "科技所能", OfferRow, _writer(offer_type(), Offer), permission, type=OFFER),
        Importer("needs", "科技所需", NeedRow, _writer(need_type(), Need), permission, type=NEED),
        Importer("people", "可联系的科技工作者", PersonRow, write_people, permission, key="user"),
    )


@dataclass(frozen=True, slots=True)
class _References:
    """What the external ids of one chunk stand for."""

    users: Mapping[str, int]
    organizations: Mapping[str, int]
    #: What is stored now, by external id: ``id`` and every column that a file may change.
    items: Mapping[str, Mapping[str, Any]]


def _writer(kind: ContentType, model: type[Content]) -> Any:
    def write(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
        unit.require(actor, "core.import.run")
        refer = _look_up(unit, kind, model, rows)
        good: list[tuple[int, dict[str, Any]]] = []
        errors: list[RowError] = []
        for number, row in rows:
            reasons = _reasons(unit, refer, row)
            if reasons:
                errors.append(RowError(number, "; ".join(reasons), row))
            else:
                good.append((number, _resolved(unit.site.content_type(kind.name), refer, row)))
        new = [v for _, v in good if v["external_id"] not in refer.items]
        old = [
            v | {"id": refer.items[v["external_id"]]["id"]}
            for _, v in good
            if v["external_id"] in refer.items and _differs(refer.items[v["external_id"]], v)
        ]
        created = _insert(actor, unit, kind, model, new)
        changed = _update(actor, unit, kind, model, old)
        return Written(created, changed, errors)

    return write


def _look_up(
    unit: UnitOfWork, kind: ContentType, model: type[Content], rows: Sequence[tuple[int, Row]]
) -> _References:
    session = unit.session
    return _References(
        known_ids(session, User, {r.get("owner") for _, r in rows}),
        known_ids(session, Organization, {r.get("organization") for _, r in rows}),
        _stored(unit, kind, model, [r["external_id"] for _, r in rows]),
    )


def _stored(
    unit: UnitOfWork, kind: ContentType, model: type[Content], external_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    columns = [Content.id, *(getattr(Content, c) for c in CONTENT_COLUMNS)]
    of_type = Content.type == kind.name
    found = known_rows(unit.session, Content.external_id, columns, external_ids, of_type)
    # An export names what has no external id by its public id.
    others = [e for e in external_ids if e not in found and is_public_id(e)]
    found |= known_rows(
        unit.session, Content.public_id, columns, others, of_type, Content.external_id.is_(None)
    )
    if not found:
        return {}
    own = model.__table__
    query = sa.select(*own.columns).where(own.c.id.in_([v["id"] for v in found.values()]))
    beside = {row["id"]: dict(row) for row in unit.session.execute(query).mappings()}
    return {e: dict(v) | beside[v["id"]] for e, v in found.items()}


def _differs(stored: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a file says something new; a row that does not leaves version and log alone."""
    return any(stored[name] != value for name, value in row.items() if name in stored)


def _reasons(unit: UnitOfWork, known: _References, row: Row) -> list[str]:
    reasons = []
    if row["region"] not in unit.site.regions:
        reasons.append(f"地区 {row['region']} 不存在 (unknown region)")
    if row.get("owner") and row["owner"] not in known.users:
        reasons.append(f"所有者 {row['owner']} 不存在，请先导入用户 (unknown owner: import users first)")
    if row.get("organization") and row["organization"] not in known.organizations:
        reasons.append(f"单位 {row['organization']} 不存在，请先导入单位 (import organizations first)")
    return reasons


def _resolved(kind: ContentType, known: _References, row: Row) -> dict[str, Any]:
    values = dict(row)
    owner, organization = values.pop("owner", None), values.pop("organization", None)
    values["owner_id"] = known.users[owner] if owner else None
    values["organization_id"] = known.organizations[organization] if organization else None
    stored = known.items.get(row["external_id"], {}).get("extra", {})
    values["extra"] = merged(stored, news(kind, stored, values.get("extra", {})))
    return values


def _insert(
    actor: Actor, unit: UnitOfWork, kind: ContentType, model: type[Content], rows: Sequence[dict[str, Any]]
) -> int:
    if not rows:
        return 0
    fixed = FIXED | {
        "type": kind.name,
        "created_at": unit.now,
        "changed_at": unit.now,
        "published_at": unit.now,
    }
    ids = insert_many(
        unit.session,
        Content,
        [
            fixed
            | {"public_id": public_id(), "external_id": r["external_id"]}
            | {c: r[c] for c in CONTENT_COLUMNS}
            for r in rows
        ],
        key="external_id",
    )
    own = _own_columns(model)
    insert_many(unit.session, model, [{"id": ids[r["external_id"]]} | {n: r[n] for n in own} for r in rows])
    unit.record_many(actor, [("content.published", kind.name, i, {}) for i in ids.values()])
    return len(rows)


def _update(
    actor: Actor, unit: UnitOfWork, kind: ContentType, model: type[Content], rows: Sequence[dict[str, Any]]
) -> int:
    if not rows:
        return 0
    computed = {"version": Content.version + 1, "changed_at": unit.now}
    shared = [{"id": r["id"]} | {c: r[c] for c in CONTENT_COLUMNS} for r in rows]
    update_many(unit.session, Content, shared, computed)
    own = _own_columns(model)
    update_many(unit.session, model, [{"id": r["id"]} | {n: r[n] for n in own} for r in rows])
    unit.record_many(actor, [("content.changed", kind.name, r["id"], {}) for r in rows])
    return len(rows)


def _own_columns(model: type[Content]) -> list[str]:
    return [c.name for c in model.__table__.columns if c.name != "id"]


def write_people(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write the profiles of people who were imported as users before."""
    unit.require(actor, "core.import.run")
    names = {r["user"] for _, r in rows}
    users = known_ids(unit.session, User, names)
    people = {
        p.user_id: p
        for p in unit.session.scalars(sa.select(Person).where(Person.user_id.in_(users.values())))
    }
    created = changed = 0
    errors: list[RowError] = []
    for number, row in rows:
        user_id = users.get(row["user"])
        if user_id is None:
            text = f"用户 {row['user']} 不存在，请先导入用户 (unknown user: import users first)"
            errors.append(RowError(number, text, row))
            continue
        person = people.get(user_id)
        if person is None:
            person = people[user_id] = Person(user_id=user_id, version=0)
            unit.session.add(person)
            created += 1
        else:
            changed += 1
        for name in ("discipline", "title", "keywords", "summary", "findable"):
            setattr(person, name, row[name])
        person.version, person.changed_at = person.version + 1, unit.now
    unit.session.flush()
    written = [people[users[r["user"]]].id for _, r in rows if r["user"] in users]
    unit.record_many(actor, [("person.changed", PERSON, i, {}) for i in written])
    return Written(created, changed, errors)
