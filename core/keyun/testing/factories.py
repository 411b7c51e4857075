"""Records for tests, written as the operator would write them."""

from __future__ import annotations

from collections.abc import Iterable

from keyun.access import system
from keyun.accounts.models import Grant, Membership, Organization, User
from keyun.accounts.passwords import hash_password
from keyun.uow import UnitOfWork

PLACE = "511402"


def make_user(
    unit: UnitOfWork,
    login: str = "user",
    *,
    name: str | None = None,
    level: int = 1,
    region: str = PLACE,
    password: str | None = None,
    roles: Iterable[tuple[str, str]] = (),
    organizations: Iterable[Organization] = (),
    **more: object,
) -> User:
    """A user with ``roles`` as (role, region); only one with a ``password`` can use the log-in form."""
    user = User(
        login=login,
        name=name or login,
        level=level,
        region=region,
        password_hash=hash_password(password) if password else None,
        created_at=unit.now,
        **more,
    )
    user.grants = [Grant(role=role, region=where) for role, where in roles]
    user.memberships = [Membership(organization=o) for o in organizations]
    unit.session.add(user)
    unit.session.flush()
    unit.record("user.registered", "user", user.id, system())
    return user


def make_organization(
    unit: UnitOfWork, name: str = "示范单位", *, kind: str = "enterprise", region: str = PLACE, **more: object
) -> Organization:
    """An organization."""
    organization = Organization(name=name, kind=kind, region=region, created_at=unit.now, **more)
    unit.session.add(organization)
    unit.session.flush()
    return organization
