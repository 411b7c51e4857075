"""What a view stands on: the site, the actor, and the unit of work of this request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

from flask import current_app, g, has_request_context, request
from sqlalchemy.orm import joinedload

from keyun.access import Actor, anonymous
from keyun.accounts.models import User
from keyun.accounts.services import actor_for, token_actor
from keyun.errors import Unauthenticated
from keyun.site import Site
from keyun.sites.directory import Shown
from keyun.uow import UnitOfWork
from keyun.web import login

__all__ = [
    "actor",
    "by_token",
    "default_region",
    "reading",
    "region_argument",
    "region_asked",
    "site",
    "subsite",
    "writing",
]

EXTENSION = "keyun"
#: The key of the WSGI environment under which a request carries its sub-site.
SUBSITE = "keyun.subsite"


def site() -> Site:
    """The site that this application serves."""
    return cast(Site, current_app.extensions[EXTENSION])


def subsite() -> Shown | None:
    """The sub-site that is being visited; None on the main site."""
    found = request.environ.get(SUBSITE) if has_request_context() else None
    return cast("Shown | None", found)


def main_root() -> str:
    """What stands before the addresses of the main site; empty unless the server is mounted below a path."""
    found = subsite()
    return request.script_root.removesuffix(found.prefix) if found else request.script_root


def default_region() -> str | None:
    """The region that lists and forms begin with: that of the sub-site; None on the main site."""
    found = subsite()
    return found.region if found else None


def region_asked() -> str | None:
    """The region that a list is about: the known code that the address names, else the default.

    An address that names an empty region asks for all of them.
    """
    if "region" not in request.args:
        return default_region()
    code = request.args["region"]
    return code if code in site().regions else None


def region_argument(region: str | None) -> str | None:
    """``region`` as an argument of ``url_for``: on a sub-site, all regions must be said."""
    return region or ("" if default_region() else None)


def reading() -> UnitOfWork:
    """The reading unit of this request; opened at its first use, closed at the end of the request."""
    if "keyun_reading" not in g:
        stack = contextlib.ExitStack()
        g.keyun_reading = stack.enter_context(site().reading())
        g.keyun_stack = stack
    return cast(UnitOfWork, g.keyun_reading)


@contextlib.contextmanager
def writing() -> Iterator[UnitOfWork]:
    """A unit of work that commits when the block ends; the reading one starts anew afterwards."""
    actor()
    close_reading()
    with site().writing() as unit:
        yield unit


def close_reading(_error: BaseException | None = None) -> None:
    """End the reading unit, if there is one."""
    g.pop("keyun_reading", None)
    stack = g.pop("keyun_stack", None)
    if stack is not None:
        stack.close()


def actor() -> Actor:
    """Who asks: the key of a program, else the logged-in user, else a visitor.

    :raises Unauthenticated: when the request carries a key that opens nothing.
    """
    if "keyun_actor" not in g:
        # The error page asks again, and must get an answer.
        g.keyun_actor = anonymous()
        g.keyun_actor = _actor()
    return cast(Actor, g.keyun_actor)


def by_token() -> bool:
    """Whether this request carries a key instead of a cookie; such requests need no CSRF token."""
    return request.headers.get("Authorization", "").partition(" ")[0].lower() == "bearer"


def _actor() -> Actor:
    if by_token():
        found = token_actor(reading(), request.headers["Authorization"].partition(" ")[2].strip())
        if not found.is_user:
            raise Unauthenticated("密钥无效或已停用，请检查后重试。 (This key opens nothing; check it.)")
        return found
    number = login.user_id()
    if number is None:
        return anonymous()
    # Every request asks, so with one statement and not with three.
    whole = (joinedload(User.grants), joinedload(User.memberships))
    user = reading().session.get(User, number, options=whole)
    return actor_for(user) if user is not None and login.counts(user) else anonymous()
