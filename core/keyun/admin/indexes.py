"""How far behind everything is that follows the event log: the search index, and whatever plugins keep."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from keyun.access import Actor
from keyun.admin.access import require_view
from keyun.content.adoption import SUFFIX
from keyun.events.follow import Cursor, Lag, lag_behind
from keyun.events.models import CursorRow
from keyun.search.verification import CONSUMER
from keyun.uow import UnitOfWork

log = logging.getLogger(__name__)
#: A follower that has not read for so long is stuck, or no worker runs.
LATE = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Behind:
    """One derived thing: how many events it has not read, since when, and whether somebody should look.

    ``lag`` is None when it could not be asked. ``idle`` says that the plugin it belongs to is off.
    """

    name: str
    title: str
    lag: Lag | None
    late: bool = False
    idle: bool = False


def list_indexes(actor: Actor, unit: UnitOfWork) -> Sequence[Behind]:
    """Everything with a cursor in the database, and what plugins say of their own files."""
    require_view(actor, unit)
    rows = {row.consumer: row for row in unit.session.scalars(sa.select(CursorRow))}
    # What a plugin took over from another one is kept up by a job, not read from the log on and on.
    names = sorted(n for n in {CONSUMER, *rows} if not n.endswith(SUFFIX))
    return [*(_follower(unit, name, rows.get(name)) for name in names), *_of_plugins(unit)]


def _follower(unit: UnitOfWork, name: str, row: CursorRow | None) -> Behind:
    lag = lag_behind(unit.session, Cursor(row.transaction, row.event_id) if row else Cursor())
    idle = "." in name and name.partition(".")[0] not in unit.site.plugins.plugins
    late = not idle and lag.since is not None and unit.now - lag.since > LATE
    return Behind(name, name, lag, late, idle)


def _of_plugins(unit: UnitOfWork) -> list[Behind]:
    found = []
    for derived in unit.site.plugins.derived():
        try:
            lag = derived.lag(unit)
        # A stranger's code may fail in any way; the page shows the rest, and that this one did not answer.
        except Exception:
            log.exception("%s cannot say how far behind it is", derived.name)
            found.append(Behind(derived.name, str(derived.title), None, late=True))
            continue
        found.append(Behind(derived.name, str(derived.title), lag, lag.events > derived.most))
    return found
