"""What a view stands on: the site, the actor, and the unit of work of this request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

from flask import current_app, g, request

from keyun.access import Actor, anonymous
from keyun.accounts.models import User
from keyun.accounts.services import actor_for, token_actor
from keyun.errors import Unauthenticated
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun.web import login

EXTENSION = "keyun"


def site() -> Site:
    """The site that this application serves."""
    return cast(Site, current_app.extensions[EXTENSION])


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
    user = None if number is None else reading().session.get(User, number)
    return actor_for(user) if user is not None and login.counts(user) else anonymous()
