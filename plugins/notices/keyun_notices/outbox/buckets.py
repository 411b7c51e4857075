"""How fast a provider may be asked, and whether it works: one row for each, shared by all workers.

The bucket is a virtual clock (GCRA): ``spent_until`` is the moment at which everything taken so far has
been paid for. Taking ``n`` letters moves it ``n`` steps on, and it may run ahead of now by ``burst`` steps
at most. So in any span of ``t`` seconds at most ``burst + rate * t`` letters go out, whoever sends them,
and one conditional UPDATE decides.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.db import is_sqlite
from keyun.uow import UnitOfWork
from keyun_notices.outbox.channels.protocol import Limit
from keyun_notices.outbox.models import Bucket

#: So many failures in a row close a provider.
FAILURES = 5
#: For how long, doubled with each further failure.
PAUSE, LONGEST = dt.timedelta(seconds=30), dt.timedelta(hours=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
#: Workers that meet at one bucket look again; whoever loses so often waits for the next round.
MEETINGS = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider stands: what may be asked of it now, and why not more."""

    provider: str
    tokens: int
    used_today: int
    failures: int = 0
    closed_until: dt.datetime | None = None
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether letters may be handed to it now."""
        return self.closed_until is None

    @property
    def probes(self) -> bool:
        """Whether it failed so often that only one letter is risked."""
        return self.failures >= FAILURES


def standing(unit: UnitOfWork, provider: str, limit: Limit) -> Standing:
    """How ``provider`` stands now."""
    row = unit.session.execute(sa.select(Bucket.__table__).where(Bucket.provider == provider)).one_or_none()
    if row is None:
        return Standing(provider, min(limit.burst, _left(limit, 0)), 0)
    closed = row.closed_until if row.closed_until is not None and row.closed_until > unit.now else None
    used = row.used if row.day == unit.today else 0
    free = _free(limit, row.spent_until, _micros(unit.now))
    tokens = 0 if closed else min(free, _left(limit, used))
    if row.failures >= FAILURES:
        tokens = min(tokens, 1)
    return Standing(provider, tokens, used, row.failures, closed, row.reason)


def take(unit: UnitOfWork, provider: str, limit: Limit, want: int) -> int:
    """Take up to ``want`` letters out of the bucket of ``provider``; returns how many may go out now."""
    _ensure(unit, provider)
    step, now = _step(limit), _micros(unit.now)
    for _ in range(MEETINGS):
        row = unit.session.execute(sa.select(Bucket.__table__).where(Bucket.provider == provider)).one()
        found = standing(unit, provider, limit)
        n = min(want, found.tokens)
        if n <= 0:
            return 0
        unchanged = (Bucket.spent_until == row.spent_until, Bucket.day == row.day, Bucket.used == row.used)
        change = sa.update(Bucket).where(Bucket.provider == provider, *unchanged)
        spent = max(row.spent_until, now) + n * step
        taken = change.values(spent_until=spent, day=unit.today, used=found.used_today + n)
        if unit.session.connection().execute(taken).rowcount == 1:
            return n
    return 0


def works(unit: UnitOfWork, provider: str) -> None:
    """The provider took something: its failures are forgotten, a pause it asked for stays."""
    change = sa.update(Bucket).where(Bucket.provider == provider, Bucket.failures > 0)
    unit.session.connection().execute(change.values(failures=0, closed_until=None, reason=""))


def fails(unit: UnitOfWork, provider: str, reason: str) -> bool:
    """The provider failed; returns whether it is left alone for a while now."""
    _ensure(unit, provider)
    change = sa.update(Bucket).where(Bucket.provider == provider)
    counted = change.values(failures=Bucket.failures + 1, reason=reason[:200]).returning(Bucket.failures)
    failures = int(unit.session.connection().execute(counted).scalar_one())
    if failures < FAILURES:
        return False
    pause = min(PAUSE * 2 ** min(failures - FAILURES, 20), LONGEST)
    close(unit, provider, unit.now + pause, reason)
    return True


def close(unit: UnitOfWork, provider: str, until: dt.datetime, reason: str) -> None:
    """Leave the provider alone until then; a pause that ends later stays."""
    _ensure(unit, provider)
    earlier = sa.or_(Bucket.closed_until.is_(None), Bucket.closed_until < until)
    change = sa.update(Bucket).where(Bucket.provider == provider, earlier)
    unit.session.connection().execute(change.values(closed_until=until, reason=reason[:200]))


def reopen(unit: UnitOfWork, providers: Iterable[str]) -> None:
    """Let the operator try at once, after a repair."""
    change = sa.update(Bucket).where(Bucket.provider.in_(list(providers)))
    unit.session.connection().execute(change.values(failures=0, closed_until=None, reason=""))


def _ensure(unit: UnitOfWork, provider: str) -> None:
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(Bucket)
    row = insert.values(provider=provider, spent_until=0, day=unit.today, used=0, failures=0, reason="")
    unit.session.connection().execute(row.on_conflict_do_nothing())


def _micros(moment: dt.datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


def _step(limit: Limit) -> int:
    """Microseconds that one letter costs, rounded up so that the limit holds."""
    return math.ceil(1_000_000 / limit.per_second)


def _free(limit: Limit, spent_until: int, now: int) -> int:
    step = _step(limit)
    return max(0, (limit.burst * step - max(spent_until - now, 0)) // step)


def _left(limit: Limit, used: int) -> int:
    return max(0, limit.per_day - used) if limit.per_day is not None else limit.burst
