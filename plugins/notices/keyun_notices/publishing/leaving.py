"""What becomes of a person who leaves: his bits, and what he is handed before."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from keyun.events import Event, after, durable_cursor, head, move_cursor
from keyun.uow import UnitOfWork
from keyun_notices.publishing import frozen
from keyun_notices.publishing.models import Addressed, Notice
from keyun_notices.publishing.services import hold

CONSUMER = "notices.erased"


def forget(unit: UnitOfWork, user_id: int) -> None:
    """Clear the person from every frozen audience; the counts stay and say how many were erased since.

    Part of erasure, which has checked the permission.
    """
    hold(unit)
    frozen.forget(unit.session, user_id)


def catch_up(unit: UnitOfWork) -> int:
    """Clear those who were erased while this plugin was off; returns how many were looked at."""
    here, end = durable_cursor(unit.session, CONSUMER), head(unit.session)
    gone = sa.select(Event.subject_id).where(after(unit.session, here), Event.name == "user.erased")
    numbers = unit.session.scalars(gone).all()
    if numbers:
        hold(unit)
    for number in numbers:
        frozen.forget(unit.session, number)
    if end > here:
        move_cursor(unit.session, CONSUMER, end)
    return len(numbers)


def addressed_to(unit: UnitOfWork, user_id: int) -> Iterator[dict[str, object]]:
    """Which notices the person was addressed by, for the export of his data."""
    query = (
        sa.select(Notice.public_id, Notice.title, Notice.published_at)
        .join(Addressed, sa.and_(Addressed.notice_id == Notice.id, frozen.at(user_id)))
        .where(frozen.holds(unit.session, Addressed.bits, user_id), Notice.published_at.is_not(None))
        .order_by(Notice.id)
    )
    for row in unit.session.execute(query):
        yield {"notice": row.public_id, "title": row.title, "published_at": row.published_at.isoformat()}
