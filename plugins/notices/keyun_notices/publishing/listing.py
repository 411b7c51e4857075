"""What was sent, for staff: lists and plain values."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from keyun.access import Actor
from keyun.api import Page, page
from keyun.regions import subtree
from keyun.uow import UnitOfWork
from keyun_notices.publishing.models import Notice, NoticeRegion, Reference
from keyun_notices.publishing.services import READ

FIELDS = (
    "kind", "topic", "title", "state", "life", "region", "starts_at", "expires_at", "published_at",
    "addressed", "erased",
)  # fmt: skip


def sent_page(actor: Actor, unit: UnitOfWork, after: str | None = None, limit: int = 20) -> Page[Notice]:
    """The notices that ``actor`` may look at, newest first: of the regions he answers for, and his own.

    :raises Invalid: when ``after`` is not a cursor of this list.
    """
    unit.require(actor, READ)
    query = sa.select(Notice)
    if not actor.is_system:
        granted = unit.site.access.regions(actor, READ)
        mine = [Notice.sender_id == actor.user_id, Notice.organization_id.in_(actor.organizations)]
        query = query.where(sa.or_(*mine, *(Notice.region.between(*subtree(code)) for code in granted)))
    return page(unit.session, query, (Notice.created_at, Notice.id), after=after, limit=limit)


def plain(notice: Notice) -> dict[str, Any]:
    """A notice as its sender sees it in lists."""
    return {"id": notice.public_id, "key": notice.ikey, **{f: getattr(notice, f) for f in FIELDS}}


def detailed(unit: UnitOfWork, notice: Notice) -> dict[str, Any]:
    """A notice with its text, conditions and references; the caller has checked the right to it."""
    codes = sa.select(NoticeRegion.region).where(NoticeRegion.notice_id == notice.id, NoticeRegion.given)
    refers = sa.select(Reference.refers_to).where(Reference.notice_id == notice.id)
    return plain(notice) | {
        "body": notice.body,
        "link": notice.link,
        "regions": list(unit.session.scalars(codes.order_by(NoticeRegion.region))),
        "audience": notice.audience,
        "refers_to": list(unit.session.scalars(refers.order_by(Reference.refers_to))),
    }
