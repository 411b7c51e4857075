"""Records for tests, written as the operator would write them."""

from __future__ import annotations

from collections.abc import Iterable

from keyun.access import system
from keyun.accounts.models import Grant, Membership, Organization, User
from keyun.accounts.passwords import hash_password
from keyun.content import Content, create
from keyun.content import publish as make_public
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


def make_item(unit: UnitOfWork, type_name: str, *, publish: bool = True, **values: object) -> Content:
    """An item of the loaded type ``type_name`` as a page would write it, published unless told otherwise."""
    kind = unit.site.content_type(type_name)
    item = create(system(), unit, kind, {"title": "示例", "body": "示例正文。", "region": PLACE} | values)
    if publish:
        make_public(system(), unit, item)
    return item
