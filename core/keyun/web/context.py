"""What a view stands on: the site, the actor, and the unit of work of this request."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import cast

from flask import current_app, g, has_request_context, request
from sqlalchemy.orm import joinedload

from keyun.access import Actor, anonymous
from keyun.accounts.models import User
from keyun.accounts.services import actor_for, token_actor
from keyun.content.models import Content
from keyun.content.opening import Opening
from keyun.errors import Unauthenticated
from keyun.site import Site
from keyun.sites.directory import Shown
from keyun.uow import UnitOfWork
from keyun.web import login
from keyun.web.visitors import Visitors, agent_of, channel_of

__all__ = [
    "actor",
    "by_token",
    "default_region",
    "opened",
    "reading",
    "region_argument",
    "region_asked",
    "site",
    "subsite",
    "writing",
]

log = logging.getLogger(__name__)
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


def opened(item: Content, *, channel: str = "") -> None:
    """Tell plugins that this request shows ``item``; a view calls it right after it found the item.

    Only a public item that a GET asks for counts. ``channel`` is for views that serve a channel of their
    own, such as ``kiosk`` or ``feed``. It never fails: a page does not depend on being counted.
    """
    if request.method != "GET" or item.state != "published" or not site().plugins.hear_of_openings():
        return
    try:
        opening = _opening(item, channel)
    except Exception:
        log.exception("an opening of %s %s could not be noted", item.type, item.id)
        return
    site().plugins.content_opened(opening)


def _opening(item: Content, channel: str) -> Opening:
    said = request.headers.get("User-Agent", "")[:500]
    # Browsers before 2023 say it by the shorter name.
    purpose = request.headers.get("Sec-Purpose", request.headers.get("Purpose", ""))
    agent = agent_of(said, purpose)
    region, located = _reader_region(item)
    now, runtime = site().runtime.clock(), site().runtime
    visitors = runtime.derived("web.visitors", lambda: Visitors(runtime.instance / "run" / "visitors.salt"))
    today = now.astimezone(site().timezone).date()
    return Opening(
        item_id=item.id,
        type=item.type,
        region=region,
        located=located,
        channel=channel or channel_of(request.path, agent),
        agent=agent,
        user_id=actor().user_id,
        visitor=visitors.pseudonym(today, request.remote_addr or "", said),
        at=now,
    )


def _reader_region(item: Content) -> tuple[str | None, str]:
    """Where the reader is at home, and how that is known: account, chosen, or only by the item."""
    number = actor().user_id
    # The request has read the user already, so this asks no database.
    user = reading().session.get(User, number) if number is not None else None
    candidates = (
        (user.region if user is not None else None, "account"),
        (region_asked(), "chosen"),
        (item.region, "item"),
    )
    return next(((code, how) for code, how in candidates if code), (None, ""))


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
