"""What becomes of the texts of somebody who leaves for good."""

from __future__ import annotations

from typing import cast

import sqlalchemy as sa

from keyun.access import system
from keyun.content.models import ENDED, Content
from keyun.reviews.lifecycle import end
from keyun.uow import UnitOfWork

#: The table and not the class: texts of plugins that are off leave as well.
TABLE = cast("sa.Table", Content.__table__)


def leave(unit: UnitOfWork, user_id: int) -> None:
    """Delete what the public never saw, withdraw what the person published alone.

    What he wrote for an organization stays the organization's.
    """
    own = (TABLE.c.owner_id == user_id) & TABLE.c.organization_id.is_(None)
    unit.session.execute(sa.delete(TABLE).where(own, TABLE.c.published_at.is_(None)))
    public = own & TABLE.c.state.not_in(ENDED)
    items = unit.session.execute(sa.select(TABLE.c.id, TABLE.c.type).where(public)).all()
    for number, kind in items:
        unit.record("content.withdrawn", kind, number, system())
    gone = sa.update(TABLE).where(public)
    unit.session.execute(gone.values(state="withdrawn", version=TABLE.c.version + 1, changed_at=unit.now))
    # Items before their reviews, as everybody takes them, so that nobody waits in a circle.
    end(system(), unit, [number for number, _kind in items])
