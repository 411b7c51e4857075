"""Access tokens of providers, kept in one row for all workers; one of them at a time asks for a new one."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.db import is_sqlite
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox.models import AccessToken

#: A token that ends within this time is renewed before it is used.
EARLY = dt.timedelta(minutes=5)
#: After this time a refresher that has not answered is taken for dead.
PATIENCE = dt.timedelta(seconds=30)


class Busy(Exception):
    """Another worker asks for a new token just now."""


#: Returns a new token and for how many seconds it is good.
Fetch = Callable[[], tuple[str, float]]


def token(site: Site, provider: str, fetch: Fetch, refused: str = "") -> str:
    """A token that is good; ``refused`` is one that the provider does not take any more.

    :raises Busy: when another worker fetches one; whatever ``fetch`` raises is passed on.
    """
    with site.reading() as unit:
        known = _row(unit, provider)
        if known is not None and _good(known, unit.now, refused):
            return known.value
    me = uuid.uuid4().hex
    with site.writing() as unit:
        if not _take(unit, provider, me, refused):
            raise Busy
    try:
        value, seconds = fetch()
    except BaseException:
        with site.writing() as unit:
            _change(unit, provider, me, refresher=None, refreshing_until=None)
        raise
    with site.writing() as unit:
        until = unit.now + dt.timedelta(seconds=seconds)
        _change(unit, provider, me, value=value, good_until=until, refresher=None, refreshing_until=None)
    return value


def _row(unit: UnitOfWork, provider: str) -> AccessToken | None:
    return unit.session.scalars(sa.select(AccessToken).where(AccessToken.provider == provider)).first()


def _good(row: AccessToken, now: dt.datetime, refused: str) -> bool:
    return (
        bool(row.value)
        and row.value != refused
        and row.good_until is not None
        and row.good_until > now + EARLY
    )


def _take(unit: UnitOfWork, provider: str, me: str, refused: str) -> bool:
    """Become the one who asks, unless somebody asks already or has got a new one meanwhile."""
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(AccessToken)
    unit.session.connection().execute(insert.values(provider=provider, value="").on_conflict_do_nothing())
    idle = sa.or_(AccessToken.refreshing_until.is_(None), AccessToken.refreshing_until < unit.now)
    old = sa.or_(
        AccessToken.value == refused,
        AccessToken.good_until.is_(None),
        AccessToken.good_until <= unit.now + EARLY,
    )
    change = sa.update(AccessToken).where(AccessToken.provider == provider, idle, old)
    taken = change.values(refresher=me, refreshing_until=unit.now + PATIENCE)
    return bool(unit.session.connection().execute(taken).rowcount)


def _change(unit: UnitOfWork, provider: str, me: str, **values: object) -> None:
    mine = sa.update(AccessToken).where(AccessToken.provider == provider, AccessToken.refresher == me)
    unit.session.connection().execute(mine.values(**values))
