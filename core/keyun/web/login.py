"""Sessions: how a log-in is remembered, when it stops counting, and where it leads to."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from flask import request, session, url_for

from keyun.accounts import passwords
from keyun.accounts.models import User

USER, STAMP = "_user_id", "_stamp"
MAX_NEXT = 2000


def begin(user: User) -> None:
    """Start a new session of ``user``; one planted before the log-in is worth nothing afterwards."""
    remember(session, user)
    session.permanent = True


def remember(where: MutableMapping[str, Any], user: User) -> None:
    """Write ``user`` into the emptied session ``where``."""
    where.clear()
    where[USER] = str(user.id)
    where[STAMP] = stamp(user)


def end() -> None:
    """Forget who is logged in."""
    session.clear()


def user_id() -> int | None:
    """Whose session this request carries; whether it still counts says :func:`counts`."""
    value = str(session.get(USER, ""))
    return int(value) if value.isascii() and value.isdigit() else None


def counts(user: User) -> bool:
    """Whether the session of ``user`` is still good: he is active and has not changed his password since."""
    return user.active and session.get(STAMP) == stamp(user)


def stamp(user: User) -> str:
    """What ends every session of ``user`` when his password changes."""
    return passwords.stamp(user.public_id, user.password_hash)


def next_url() -> str:
    """Where to go afterwards: the page of this (sub-)site that ``next`` names, else its home page."""
    asked = request.values.get("next", "")
    inside = is_local(asked) and asked.startswith(f"{request.script_root}/")
    return asked if inside else url_for("home.index")


def is_local(address: str) -> bool:
    """Whether ``address`` is a path on this site, in the eyes of every browser."""
    parts = urlsplit(address)
    return (
        address.startswith("/")
        and not address.startswith(("//", "/\\"))
        and not parts.scheme
        and not parts.netloc
        and address.isprintable()
        and len(address) <= MAX_NEXT
    )
