"""How often something may happen in a while, counted in the database, so that all processes agree."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.db import is_sqlite
from keyun.uow import UnitOfWork
from keyun_notices.contacts.models import Allowance


def take(unit: UnitOfWork, key: str, most: int, per: dt.timedelta) -> bool:
    """Use one of ``most`` that ``key`` has ``per`` while; False when none is left. One statement decides."""
    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    start = unit.now - per
    fresh = Allowance.since <= start
    row = insert(Allowance).values(key=key, since=unit.now, used=1)
    taken = row.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "since": sa.case((fresh, unit.now), else_=Allowance.since),
            "used": sa.case((fresh, 1), else_=Allowance.used + 1),
        },
        where=sa.or_(fresh, Allowance.used < most),
    )
    return unit.session.scalar(taken.returning(Allowance.used)) is not None


def tidy(unit: UnitOfWork, older: dt.timedelta) -> int:
    """Forget what was counted before that; returns the number of rows."""
    gone = unit.session.execute(sa.delete(Allowance).where(Allowance.since <= unit.now - older))
    return int(gone.rowcount)  # type: ignore[attr-defined]
