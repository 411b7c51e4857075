"""The end of the event log; only what happened to which record, no person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

from keyun.access import Actor
from keyun.admin.access import require_view
from keyun.events.models import Event
from keyun.uow import UnitOfWork

PAGE_SIZE = 50


def list_events(
    actor: Actor, unit: UnitOfWork, name: str | None = None, before: int | None = None
) -> Sequence[Event]:
    """The newest events (of one name, before a number), and one more than a page holds."""
    require_view(actor, unit)
    query = sa.select(Event).order_by(Event.id.desc()).limit(PAGE_SIZE + 1)
    if name is not None:
        query = query.where(Event.name == name)
    if before is not None:
        query = query.where(Event.id < before)
    return unit.session.scalars(query).all()


def last_event(actor: Actor, unit: UnitOfWork) -> dt.datetime | None:
    """When something happened last."""
    require_view(actor, unit)
    return unit.session.scalar(sa.select(Event.at).order_by(Event.id.desc()).limit(1))
