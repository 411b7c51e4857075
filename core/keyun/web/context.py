"""What a view stands on: the site, the actor, and the unit of work of this request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

from flask import current_app, g, request, session

from keyun.access import Actor, anonymous
from keyun.accounts.models import User
from keyun.accounts.services import actor_for, token_actor
from keyun.site import Site
from keyun.uow import UnitOfWork

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
    """Who asks: the key of a program, else the logged-in user, else a visitor."""
    if "keyun_actor" not in g:
        g.keyun_actor = _actor()
    return cast(Actor, g.keyun_actor)


def by_token() -> bool:
    """Whether this request carries a key instead of a cookie; such requests need no CSRF token."""
    return request.headers.get("Authorization", "").startswith("Bearer ")


def _actor() -> Actor:
    if by_token():
        return token_actor(reading(), request.headers["Authorization"].removeprefix("Bearer ").strip())
    user_id = session.get("_user_id")
    if user_id is None or not str(user_id).isdigit():
        return anonymous()
    user = reading().session.get(User, int(user_id))
    return actor_for(user) if user is not None and user.active else anonymous()
