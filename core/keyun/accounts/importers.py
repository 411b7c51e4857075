"""Import organizations and users, known by ``external_id``: importing again changes, never doubles.

What is known keeps what a row leaves empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from marshmallow import ValidationError, fields, validate
from stdnum.cn import uscc
from stdnum.exceptions import ValidationError as InvalidCode

from keyun import bulk
from keyun.access import Actor
from keyun.accounts.models import Membership, Organization, User
from keyun.accounts.schemas import LOGIN
from keyun.db import is_public_id, public_id
from keyun.exchange.types import Importer, Row, RowError, Written
from keyun.forms import Form, RegionCode, Text
from keyun.uow import UnitOfWork

KINDS = (
    "enterprise", "university", "institute", "hospital", "society", "agency", "centre", "park", "government",
    "other",
)  # fmt: skip
PERMISSION = "core.import.run"


class CreditCode(fields.Field[str | None]):
    """A 统一社会信用代码 of 18 characters whose check character is right (GB 32100-2015), or nothing."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> str | None:
        try:
            return str(uscc.validate(value)) if value else None
        except InvalidCode:
            raise ValidationError("统一社会信用代码校验不通过。 (Not a valid USCC.)") from None


class Address(fields.Email):
    """An e-mail address, or nothing."""

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **more: Any) -> Any:
        """Take an empty cell for nothing."""
        return super().deserialize(None if value == "" else value, attr, data, **more)


class OrganizationRow(Form):
    """One row of an organizations file."""

    external_id = Text("外部编号", 120, least=1)
    name = Text("名称", 120, least=1)
    kind = fields.String(
        load_default="enterprise", validate=validate.OneOf(KINDS), metadata={"label": "类型"}
    )
    uscc = CreditCode(load_default=None, allow_none=True, metadata={"label": "信用代码"})
    region = RegionCode(required=True)
    summary = Text("简介", 2000)


class UserRow(Form):
    """One row of a users file; passwords never stand in files."""

    external_id = Text("外部编号", 120, least=1)
    login = fields.String(required=True, validate=LOGIN, metadata={"label": "用户名"})
    name = Text("姓名", 60, least=1)
    email = Address(load_default=None, allow_none=True, metadata={"label": "邮箱"})
    region = RegionCode(required=True)
    organization = fields.String(load_default=None, allow_none=True, metadata={"label": "单位编号"})
    level = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(0, 3), metadata={"label": "认证等级"}
    )


def importers() -> tuple[Importer, ...]:
    """What the core can import."""
    return (
        Importer("organizations", "单位", OrganizationRow, write_organizations, PERMISSION),
        Importer("users", "用户", UserRow, write_users, PERMISSION),
    )


def write_organizations(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk of organizations; a credit code belongs to one organization."""
    unit.require(actor, PERMISSION)
    known = _known(unit, Organization, ("name", "kind", "uscc", "region", "summary"), rows)
    taken = _taken(unit, Organization.uscc, [r["uscc"] for _, r in rows if r["uscc"]])
    new, old, errors = [], list[dict[str, Any]](), list[RowError]()
    for number, row in rows:
        holder = taken.setdefault(row["uscc"], row["external_id"]) if row["uscc"] else row["external_id"]
        if row["region"] not in unit.site.regions:
            errors.append(RowError(number, f"地区 {row['region']} 不存在 (unknown region)", row))
        elif holder != row["external_id"]:
            errors.append(RowError(number, f"信用代码已属于 {holder} (the USCC belongs to another one)", row))
        elif row["external_id"] in known:
            old += _difference(known[row["external_id"]], row)
        else:
            new.append({**row, "public_id": public_id(), "verified": False, "created_at": unit.now})
    _write(actor, unit, Organization, "organization", new, old)
    return Written(len(new), len(old), errors)


def write_users(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk of users; log-in names and addresses belong to one user.

    A user joins the organization of his row; memberships he has already stay.
    """
    unit.require(actor, PERMISSION)
    known = _known(unit, User, ("login", "name", "email", "region", "level"), rows)
    organizations = _ids(unit, Organization, [r["organization"] for _, r in rows if r["organization"]])
    logins = _taken(unit, User.login, [r["login"] for _, r in rows])
    mails = _taken(unit, User.email, [r["email"] for _, r in rows if r["email"]])
    new, old, links, errors = [], list[dict[str, Any]](), dict[str, int](), list[RowError]()
    for number, row in rows:
        reasons = _user_reasons(unit, row, organizations, logins, mails)
        if reasons:
            errors.append(RowError(number, "; ".join(reasons), row))
            continue
        if row["organization"]:
            links[row["external_id"]] = organizations[row["organization"]]
        if row["external_id"] in known:
            old += _difference(known[row["external_id"]], row)
        else:
            values = {k: v for k, v in row.items() if k != "organization"} | {"level": row["level"] or 0}
            fresh = {"public_id": public_id(), "active": True, "mail_wanted": True, "created_at": unit.now}
            new.append(values | fresh)
    ids = {e: r["id"] for e, r in known.items()} | _write(actor, unit, User, "user", new, old)
    told = {*(r["id"] for r in old), *(ids[r["external_id"]] for r in new)}
    joined = _link(unit, {ids[e]: o for e, o in links.items()})
    unit.record_many(actor, [("user.imported", "user", i, {}) for i in joined if i not in told])
    return Written(len(new), len(old), errors)


def _user_reasons(
    unit: UnitOfWork,
    row: Row,
    organizations: Mapping[str, int],
    logins: dict[str, str],
    mails: dict[str, str],
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
    return bulk.known_ids(unit.session, model, external)


def _known(
    unit: UnitOfWork, model: Any, columns: Sequence[str], rows: Sequence[tuple[int, Row]]
) -> dict[str, Mapping[str, Any]]:
    """What the database holds of ``rows``, by external id."""
    chosen = [model.id, *(getattr(model, c) for c in columns)]
    names = [r["external_id"] for _, r in rows]
    found = bulk.known_rows(unit.session, model.external_id, chosen, names)
    # An export names what has no external id by its public id.
    others = [n for n in names if n not in found and is_public_id(n)]
    without = model.external_id.is_(None)
    return found | bulk.known_rows(unit.session, model.public_id, chosen, others, without)


def _difference(have: Mapping[str, Any], row: Row) -> list[dict[str, Any]]:
    """The row as an update, or nothing when it says nothing new; an empty cell says nothing."""
    said = {k: row[k] for k in have if k in row and row[k] not in (None, "")}
    return [{**have, **said}] if any(have[k] != v for k, v in said.items()) else []


def _taken(unit: UnitOfWork, column: Any, values: Sequence[str]) -> dict[str, str]:
    """Who has each of ``values`` now: value to external id (public id for somebody without one)."""
    model = column.class_
    return bulk.known(unit.session, column, sa.func.coalesce(model.external_id, model.public_id), values)


def _write(
    actor: Actor,
    unit: UnitOfWork,
    model: type[Organization] | type[User],
    name: str,
    new: Sequence[dict[str, Any]],
    old: Sequence[dict[str, Any]],
) -> dict[str, int]:
    """Insert and update in bulk, an event for each row; returns the ids of the new rows."""
    ids = bulk.insert_many(unit.session, model, new, key="external_id")
    bulk.update_many(unit.session, model, old)
    done = [*ids.values(), *(r["id"] for r in old)]
    unit.record_many(actor, [(f"{name}.imported", name, i, {}) for i in done])
    return ids


def _link(unit: UnitOfWork, links: Mapping[int, int]) -> list[int]:
    """Let users join organizations; returns those who had not joined yet."""
    if not links:
        return []
    query = sa.select(Membership.user_id, Membership.organization_id).where(Membership.user_id.in_(links))
    have = {(row[0], row[1]) for row in unit.session.execute(query)}
    rows = [
        {"user_id": u, "organization_id": o, "role": "member"} for u, o in links.items() if (u, o) not in have
    ]
    bulk.insert_many(unit.session, Membership, rows)
    return [u for u, o in links.items() if (u, o) not in have]
