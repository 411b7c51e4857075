"""Export organizations and users in the columns their importers read; passwords never stand in files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts.importers import OrganizationRow, UserRow
from keyun.accounts.models import Membership, Organization, User
from keyun.exchange.types import Exporter, Row
from keyun.uow import UnitOfWork

EXPORT, PERSONAL = "core.export.run", "core.export.personal"
CHUNK = 1000


def exporters() -> tuple[Exporter, ...]:
    """What the core can export."""
    note = "passwords, roles and second memberships are left out"
    return (
        Exporter("organizations", "单位", OrganizationRow, organizations, EXPORT),
        Exporter("users", "用户", UserRow, users, PERSONAL, personal=("login", "name", "email"), note=note),
    )


def organizations(actor: Actor, unit: UnitOfWork) -> Iterator[Row]:
    """Every organization."""
    unit.require(actor, EXPORT)
    columns = (Organization.name, Organization.kind, Organization.uscc, Organization.region)
    return _rows(unit, Organization, (*columns, Organization.summary))


def users(actor: Actor, unit: UnitOfWork) -> Iterator[Row]:
    """Every open account with the first of its organizations."""
    unit.require(actor, PERSONAL)
    first = sa.func.min(Membership.organization_id)
    joined = sa.select(first).where(Membership.user_id == User.id).correlate(User).scalar_subquery()
    name = sa.func.coalesce(Organization.external_id, Organization.public_id)
    organization = sa.select(name).where(Organization.id == joined).correlate(User)
    columns = (User.login, User.name, User.email, User.region, User.level)
    return _rows(
        unit, User, (*columns, organization.scalar_subquery().label("organization")), User.active.is_(True)
    )


def _rows(
    unit: UnitOfWork,
    model: type[Organization] | type[User],
    columns: tuple[Any, ...],
    *conditions: sa.ColumnElement[bool],
) -> Iterator[Row]:
    """The rows of ``model`` in order of id, a chunk at a time."""
    named = sa.func.coalesce(model.external_id, model.public_id).label("external_id")
    query, last = sa.select(model.id, named, *columns).where(*conditions).order_by(model.id).limit(CHUNK), 0
    while found := unit.session.execute(query.where(model.id > last)).mappings().all():
        yield from ({k: v for k, v in row.items() if k != "id"} for row in found)
        last = found[-1]["id"]
