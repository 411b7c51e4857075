"""Import organizations and users. Rows are known by ``external_id``: importing again changes, never doubles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from marshmallow import ValidationError, fields, validate
from stdnum.cn import uscc

from keyun.access import Actor
from keyun.accounts.models import Membership, Organization, User
from keyun.accounts.schemas import LOGIN
from keyun.db import public_id
from keyun.exchange.types import Importer, Row, RowError, Written
from keyun.forms import Form, RegionCode, Text
from keyun.uow import UnitOfWork

KINDS = (
    "enterprise", "university", "institute", "hospital", "society", "agency", "centre", "park", "government", "other",
)  # fmt: skip
PERMISSION = "core.import.run"


def _valid_uscc(value: str | None) -> None:
    if value and not uscc.is_valid(value):
        raise ValidationError("统一社会信用代码校验不通过。 (Not a valid USCC.)")


class OrganizationRow(Form):
    """One row of an organizations file."""

    external_id = fields.String(required=True, validate=validate.Length(1, 120), metadata={"label": "外部编号"})
    name = Text("名称", 120, least=1)
    kind = fields.String(load_default="enterprise", validate=validate.OneOf(KINDS), metadata={"label": "类型"})
    uscc = fields.String(load_default=None, allow_none=True, validate=_valid_uscc, metadata={"label": "信用代码"})
    region = RegionCode(required=True)
    summary = Text("简介", 2000)


class UserRow(Form):
    """One row of a users file; passwords never stand in files."""

    external_id = fields.String(required=True, validate=validate.Length(1, 120), metadata={"label": "外部编号"})
    login = fields.String(required=True, validate=LOGIN, metadata={"label": "用户名"})
    name = Text("姓名", 60, least=1)
    email = fields.Email(load_default=None, allow_none=True, metadata={"label": "邮箱"})
    region = RegionCode(required=True)
    organization = fields.String(load_default=None, allow_none=True, metadata={"label": "单位编号"})
    level = fields.Integer(load_default=0, validate=validate.Range(0, 3), metadata={"label": "认证等级"})


def importers() -> tuple[Importer, ...]:
    """What the core can import."""
    return (
        Importer("organizations", "单位", OrganizationRow, write_organizations, PERMISSION),
        Importer("users", "用户", UserRow, write_users, PERMISSION),
    )


def write_organizations(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk of organizations; a credit code belongs to one organization."""
    unit.require(actor, PERMISSION)
    known = _ids(unit, Organization, [r["external_id"] for _, r in rows])
    taken = _taken(unit, Organization.uscc, [r["uscc"] for _, r in rows if r["uscc"]])
    new, old, errors = [], [], list[RowError]()
    for number, row in rows:
        values = {**row, "uscc": row["uscc"] or None}
        holder = taken.setdefault(values["uscc"], row["external_id"]) if values["uscc"] else row["external_id"]
        if row["region"] not in unit.site.regions:
            errors.append(RowError(number, f"地区 {row['region']} 不存在 (unknown region)", row))
        elif holder != row["external_id"]:
            errors.append(RowError(number, f"信用代码已属于 {holder} (the USCC belongs to another one)", row))
        elif row["external_id"] in known:
            old.append(values | {"id": known[row["external_id"]]})
        else:
            new.append(values | {"public_id": public_id(), "verified": False, "created_at": unit.now})
    _write(actor, unit, Organization, "organization", new, old)
    return Written(len(new), len(old), errors)


def write_users(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk of users and their memberships; log-in names and addresses belong to one user."""
    unit.require(actor, PERMISSION)
    known = _ids(unit, User, [r["external_id"] for _, r in rows])
    organizations = _ids(unit, Organization, [r["organization"] for _, r in rows if r["organization"]])
    logins = _taken(unit, User.login, [r["login"] for _, r in rows])
    mails = _taken(unit, User.email, [r["email"] for _, r in rows if r["email"]])
    new, old, links, errors = [], [], dict[str, int](), list[RowError]()
    for number, row in rows:
        reasons = _user_reasons(unit, row, organizations, logins, mails)
        if reasons:
            errors.append(RowError(number, "; ".join(reasons), row))
            continue
        values = {k: v for k, v in row.items() if k != "organization"}
        if row["organization"]:
            links[row["external_id"]] = organizations[row["organization"]]
        if row["external_id"] in known:
            old.append(values | {"id": known[row["external_id"]]})
        else:
            new.append(values | {"public_id": public_id(), "active": True, "created_at": unit.now})
    ids = known | _write(actor, unit, User, "user", new, old)
    _link(unit, {ids[e]: o for e, o in links.items()})
    return Written(len(new), len(old), errors)


def _user_reasons(
    unit: UnitOfWork, row: Row, organizations: Mapping[str, int], logins: dict[str, str], mails: dict[str, str]
) -> list[str]:
    me, reasons = row["external_id"], []
    if row["region"] not in unit.site.regions:
        reasons.append(f"地区 {row['region']} 不存在 (unknown region)")
    if row["organization"] and row["organization"] not in organizations:
        reasons.append(f"单位 {row['organization']} 不存在，请先导入单位 (import organizations first)")
    if logins.setdefault(row["login"], me) != me:
        reasons.append(f"用户名 {row['login']} 已被使用 (the login is taken)")
    if row["email"] and mails.setdefault(row["email"], me) != me:
        reasons.append(f"邮箱 {row['email']} 已被使用 (the address is taken)")
    return reasons


def _ids(unit: UnitOfWork, model: Any, external: Sequence[str]) -> dict[str, int]:
    if not external:
        return {}
    query = sa.select(model.external_id, model.id).where(model.external_id.in_(external))
    return dict(unit.session.execute(query).tuples().all())


def _taken(unit: UnitOfWork, column: Any, values: Sequence[str]) -> dict[str, str]:
    """Who has each of ``values`` now: value to external id (empty for somebody without one)."""
    if not values:
        return {}
    model = column.class_
    query = sa.select(column, model.external_id).where(column.in_(values))
    return {value: external or "" for value, external in unit.session.execute(query)}


def _write(
    actor: Actor, unit: UnitOfWork, model: Any, name: str, new: Sequence[dict[str, Any]], old: Sequence[dict[str, Any]]
) -> dict[str, int]:
    """Insert and update in bulk, an event for each row; returns the ids of the new rows."""
    ids: dict[str, int] = {}
    if new:
        unit.session.execute(sa.insert(model.__table__), list(new))
        ids = _ids(unit, model, [r["external_id"] for r in new])
    if old:
        columns = [c for c in old[0] if c not in ("id", "external_id")]
        table = model.__table__
        change = sa.update(table).where(table.c.id == sa.bindparam("row_id"))
        unit.session.execute(
            change.values({c: sa.bindparam(f"new_{c}") for c in columns}),
            [{"row_id": r["id"]} | {f"new_{c}": r[c] for c in columns} for r in old],
        )
    done = [*ids.values(), *(r["id"] for r in old)]
    unit.record_many(actor, [(f"{name}.imported", name, i, {}) for i in done])
    return ids


def _link(unit: UnitOfWork, links: Mapping[int, int]) -> None:
    if not links:
        return
    query = sa.select(Membership.user_id, Membership.organization_id).where(Membership.user_id.in_(links))
    have = set(unit.session.execute(query).tuples())
    rows = [
        {"user_id": u, "organization_id": o, "role": "member"} for u, o in links.items() if (u, o) not in have
    ]
    if rows:
        unit.session.execute(sa.insert(Membership.__table__), rows)
