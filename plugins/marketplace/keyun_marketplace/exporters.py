"""Export offers, needs and people in the columns their importers read."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import User
from keyun.content import content_exporter
from keyun.exchange import Exporter, Row
from keyun.uow import UnitOfWork
from keyun_marketplace.importers import NeedRow, OfferRow, PersonRow
from keyun_marketplace.models import Person
from keyun_marketplace.services import need_type, offer_type

PERSONAL = "core.export.personal"
CHUNK = 1000


def exporters() -> tuple[Exporter, ...]:
    """What the marketplace can export."""
    return (
        content_exporter("offers", "科技所能", offer_type(), OfferRow),
        content_exporter("needs", "科技所需", need_type(), NeedRow),
        Exporter("people", "可联系的科技工作者", PersonRow, people, PERSONAL, personal=("user", "title")),
    )


def people(actor: Actor, unit: UnitOfWork) -> Iterator[Row]:
    """The profiles of open accounts, also of those who do not want to be found: the column says so."""
    unit.require(actor, PERSONAL)
    user = sa.func.coalesce(User.external_id, User.public_id).label("user")
    own = (Person.discipline, Person.title, Person.keywords, Person.summary, Person.findable)
    query = sa.select(Person.id, user, *own).join(User, User.id == Person.user_id).order_by(Person.id)
    query, last = query.where(User.active.is_(True)).limit(CHUNK), 0
    while found := unit.session.execute(query.where(Person.id > last)).mappings().all():
        yield from ({k: v for k, v in row.items() if k != "id"} for row in found)
        last = found[-1]["id"]
