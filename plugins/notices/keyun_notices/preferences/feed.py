"""What everybody may read: notices that were chosen by region alone, by topic and region."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from keyun.api import Page, page
from keyun.errors import NotFound
from keyun.regions import subtree
from keyun.uow import UnitOfWork
from keyun_notices.preferences.audience import impersonal
from keyun_notices.preferences.waiting import active
from keyun_notices.publishing.models import Notice, NoticeRegion
from keyun_notices.publishing.places import chain

PAGE_SIZE = 20
#: Entries of one RSS or Atom document.
ENTRIES = 50
GONE = "这条通知已不再公开：可能已更新、解除或过期。 (It is no longer public: updated, cancelled or over.)"


def feed(
    unit: UnitOfWork,
    topic: str | None = None,
    region: str | None = None,
    after: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Notice]:
    """Public notices that hold, newest first; open to everyone, so there is nothing to check.

    :raises Invalid: when ``after`` is not the ``next`` of a page.
    """
    query = sa.select(Notice).where(*_scope(unit, topic, region), *active(unit.now))
    keys: Sequence[Any] = (Notice.published_at, Notice.id)
    return page(unit.session, query, keys, after=after, limit=limit)


def changed(unit: UnitOfWork, topic: str | None, region: str | None) -> dt.datetime | None:
    """When the feed last changed: something was published, or ran out. Open, like the feed."""
    over = sa.case((Notice.expires_at <= unit.now, Notice.expires_at))
    latest = sa.select(sa.func.max(Notice.published_at), sa.func.max(over))
    published, ended = unit.session.execute(latest.where(*_scope(unit, topic, region))).one()
    moments = [m for m in (published, ended) if m is not None]
    return max(moments, default=None)


def public_notice(unit: UnitOfWork, public_id: str) -> Notice:
    """One notice that everybody may read; open to everyone.

    :raises NotFound: when there is none, it was chosen by more than the region, or it no longer holds.
    """
    query = sa.select(Notice).where(Notice.public_id == public_id, *_public(), *active(unit.now))
    found = unit.session.scalars(query).first()
    if found is None:
        raise NotFound(GONE)
    return found


def regions_of(unit: UnitOfWork, notices: Sequence[Notice]) -> dict[int, list[str]]:
    """The codes that were given for each of ``notices``. Open, like the notices."""
    query = sa.select(NoticeRegion.notice_id, NoticeRegion.region).where(
        NoticeRegion.notice_id.in_([n.id for n in notices]), NoticeRegion.given
    )
    found: dict[int, list[str]] = {n.id: [] for n in notices}
    for notice_id, region in unit.session.execute(query.order_by(NoticeRegion.region)):
        found[notice_id].append(region)
    return found


def _public() -> tuple[sa.ColumnElement[bool], ...]:
    return Notice.published_at.is_not(None), impersonal()


def _scope(unit: UnitOfWork, topic: str | None, region: str | None) -> list[sa.ColumnElement[bool]]:
    conditions = list(_public())
    if topic is not None:
        conditions.append(Notice.topic == topic)
    if region is not None:
        above = chain(unit.site.regions, region, unit.today)
        here = sa.or_(NoticeRegion.region.in_(above), NoticeRegion.region.between(*subtree(region)))
        conditions.append(Notice.id.in_(sa.select(NoticeRegion.notice_id).where(here)))
    return conditions
