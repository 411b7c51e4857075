"""Relays: who they are, the key in their link, and which of them somebody may see."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import User
from keyun.api import Page, page
from keyun.errors import Conflict, Invalid, NotFound
from keyun.forms import load
from keyun.regions import subtree
from keyun.uow import UnitOfWork
from keyun_notices.contacts.regions import At, known
from keyun_notices.relays.addressing import notices_for
from keyun_notices.relays.models import Relay
from keyun_notices.relays.passing import RELAY, notice_of, passed, people, said, statements
from keyun_notices.relays.schemas import RelaySchema

__all__ = [
    "add",
    "by_key",
    "change",
    "close",
    "manager",
    "mine",
    "notice_of",
    "notices_for",
    "passed",
    "relay",
    "relays",
    "rotate",
    "said",
    "statements",
]

MANAGE = "notices.relay.manage"
PASS = "notices.relay.pass"
#: The page mark for people who look after relays; which ones, :func:`relay` asks with ``PASS``.
OWN = "notices.relay.own"
PREFIX = "relay_"
MAX_KEY = 100
PAGE_SIZE = 50
MOST_OWN = 50
CLOSED = "这个转达点已停用。 (This relay is closed.)"
UNKNOWN = "链接无效或已更换，请向工作人员要新的链接。 (This link opens nothing; ask the staff for a new one.)"


def relays(
    actor: Actor,
    unit: UnitOfWork,
    region: str | None = None,
    after: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Relay]:
    """A page of relays of the actor's regions, newest first.

    :raises Invalid: when ``after`` is not the ``next`` of a page.
    """
    unit.require(actor, MANAGE)
    mine = unit.site.access.regions(actor, MANAGE)
    query = sa.select(Relay).where(sa.or_(sa.false(), *(Relay.region.between(*subtree(r)) for r in mine)))
    if region is not None:
        query = query.where(Relay.region.between(*subtree(region)))
    return page(unit.session, query, (Relay.id,), after=after, limit=limit)


def relay(actor: Actor, unit: UnitOfWork, public_id: str, permission: str = MANAGE) -> Relay:
    """One relay that the actor manages for its region, or (``PASS``) looks after.

    :raises NotFound: when there is none, or it is not his.
    """
    found = unit.session.scalars(sa.select(Relay).where(Relay.public_id == public_id)).first()
    if found is None or not unit.site.access.allows(actor, permission, found):
        raise NotFound("没有这个转达点。 (No such relay.)")
    return found


def mine(actor: Actor, unit: UnitOfWork) -> Sequence[Relay]:
    """The active relays that the actor looks after."""
    if not actor.is_user:
        return []
    query = sa.select(Relay).where(Relay.manager_id == actor.user_id, Relay.active.is_(True))
    return unit.session.scalars(query.order_by(Relay.id).limit(MOST_OWN)).all()


def manager(actor: Actor, unit: UnitOfWork, found: Relay) -> str:
    """The user name of whoever looks after a relay; empty when nobody does."""
    unit.require(actor, MANAGE, found)
    return unit.session.scalar(sa.select(User.login).where(User.id == found.manager_id)) or ""


def by_key(unit: UnitOfWork, key: str) -> Relay:
    """The active relay that ``key`` opens; open, because the key proves who asks.

    :raises NotFound: with one text for a wrong key, an old one, and a closed relay.
    """
    query = sa.select(Relay).where(Relay.digest == _digest(key[:MAX_KEY]), Relay.active.is_(True))
    found = unit.session.scalars(query).first()
    if found is None:
        raise NotFound(UNKNOWN)
    return found


def add(actor: Actor, unit: UnitOfWork, data: Mapping[str, Any]) -> tuple[Relay, str]:
    """Set up a relay; returns it and its key, which is shown this once.

    :raises Invalid: when a value cannot be.
    """
    unit.require(actor, MANAGE)
    values = _values(actor, unit, data)
    key = _key()
    made = Relay(**values, digest=_digest(key), active=True, created_at=unit.now)
    unit.session.add(made)
    unit.session.flush()
    unit.record("relay.added", RELAY, made.id, actor, region=made.region, kind=made.kind)
    return made, key


def change(actor: Actor, unit: UnitOfWork, public_id: str, data: Mapping[str, Any]) -> Relay:
    """Change what is known about a relay; an empty webhook keeps the one that is there.

    :raises Invalid: when a value cannot be.
    :raises Conflict: when it is closed.
    """
    found = relay(actor, unit, public_id)
    if not found.active:
        raise Conflict(CLOSED)
    values = _values(actor, unit, data)
    if values["webhook"] is None:
        del values["webhook"]
    for name, value in values.items():
        setattr(found, name, value)
    unit.record("relay.changed", RELAY, found.id, actor, region=found.region)
    return found


def rotate(actor: Actor, unit: UnitOfWork, public_id: str) -> tuple[Relay, str]:
    """Give a relay a new key; the old link ends at once.

    :raises Conflict: when it is closed.
    """
    found = relay(actor, unit, public_id)
    if not found.active:
        raise Conflict(CLOSED)
    key = _key()
    found.digest = _digest(key)
    unit.record("relay.key-changed", RELAY, found.id, actor)
    return found, key


def close(actor: Actor, unit: UnitOfWork, public_id: str) -> Relay:
    """Close a relay for good: its link ends, it is asked no more; what it said stays."""
    found = relay(actor, unit, public_id)
    changed = unit.session.execute(
        sa.update(Relay)
        .where(Relay.id == found.id, Relay.active.is_(True))
        .values(active=False, digest=_digest(_key()), webhook=None)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount:  # type: ignore[attr-defined]
        unit.record("relay.closed", RELAY, found.id, actor)
    unit.session.refresh(found)
    return found


def _values(actor: Actor, unit: UnitOfWork, data: Mapping[str, Any]) -> dict[str, Any]:
    values = load(RelaySchema(), data)
    unit.require(actor, MANAGE, At(known(unit.site.regions, values["region"])))
    people(unit, values["region"], values["headcount"])
    login = values.pop("manager")
    return values | {"manager_id": _manager(unit, login), "webhook": values["webhook"] or None}


def _manager(unit: UnitOfWork, login: str) -> int | None:
    if not login:
        return None
    number = unit.session.scalar(sa.select(User.id).where(User.login == login, User.active.is_(True)))
    if number is None:
        text = "没有这个用户名。 (No such user.)"
        raise Invalid(text, {"manager": [text]})
    return number


def _key() -> str:
    return PREFIX + secrets.token_urlsafe(24)


def _digest(key: str) -> str:
    """256 random bits need no salt and no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
