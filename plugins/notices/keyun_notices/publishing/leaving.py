"""What becomes of a person who leaves: his bits, and what he is handed before."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from keyun.uow import UnitOfWork
from keyun_notices.publishing import frozen
from keyun_notices.publishing.models import Addressed, Notice
from keyun_notices.publishing.services import hold


def forget(unit: UnitOfWork, user_id: int) -> None:
    """Clear the person from every frozen audience; the counts stay and say how many were erased since.

    Part of erasure, which has checked the permission.
    """
    hold(unit)
    frozen.forget(unit.session, user_id)


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
