"""Find accounts by the beginning of their log-in name; level and roles, no names, phones or addresses."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts.models import User
from keyun.admin.access import VIEW
from keyun.regions.codes import subtree
from keyun.uow import UnitOfWork

MOST = 50


def find_people(actor: Actor, unit: UnitOfWork, login: str) -> Sequence[User]:
    """Accounts whose log-in name begins with ``login``, in the regions that ``actor`` administers."""
    unit.require(actor, VIEW)
    if not login:
        return ()
    here = [User.region.between(*subtree(r)) for r in unit.site.access.regions(actor, VIEW)]
    query = sa.select(User).where(User.login.startswith(login, autoescape=True), sa.or_(*here))
    return unit.session.scalars(query.order_by(User.login).limit(MOST)).all()
