"""What was sent: lists, the record of one notice, its figures. Never a name of somebody who got it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import Organization, User
from keyun.api import Page, page
from keyun.errors import Invalid
from keyun.regions import subtree
from keyun.uow import UnitOfWork
from keyun_notices.audience.expression import EVERYBODY, All, Any, parse
from keyun_notices.audience.words import Words, describe
from keyun_notices.compose.services import CHANGE
from keyun_notices.people.resident import attributes
from keyun_notices.publishing.models import Attachment, Notice, NoticeRegion
from keyun_notices.publishing.places import COUNTRY
from keyun_notices.publishing.services import READ, cancel, sent

PAGE_SIZE = 20
MOST_THREAD = 100
#: Rows of one export; who needs more takes it from the API page by page.
MOST_ROWS = 1000
NO_REASON = "请写明解除原因，收到过通知的人会看到。 (Say why: whoever had been addressed will read it.)"
MOST_REASON = 500


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one notice beside its row.

    ``clauses`` say the audience in words: all of them hold, or with ``any`` one of them; none is everybody.
    ``readable`` is False when an attribute of it is no longer known here.
    """

    notice: Notice
    sender: str
    organization: str
    regions: Sequence[str]
    clauses: Sequence[Words]
    any: bool
    readable: bool
    audience: str
    attachments: Sequence[Attachment]
    thread: Sequence[Notice]
    may_change: bool


def mine(actor: Actor, unit: UnitOfWork, after: str | None = None, limit: int = PAGE_SIZE) -> Page[Notice]:
    """Notices of the regions that ``actor`` answers for and those he sent himself, newest first.

    :raises Invalid: when ``after`` is not the ``next`` of a page.
    """
    unit.require(actor, READ)
    roots = unit.site.access.regions(actor, READ)
    query = sa.select(Notice)
    if COUNTRY not in roots:
        inside = [Notice.region.between(*subtree(root)) for root in roots]
        query = query.where(sa.or_(*inside, Notice.sender_id == actor.user_id))
    return page(unit.session, query, (Notice.id,), after=after, limit=limit)


def record(actor: Actor, unit: UnitOfWork, public_id: str) -> Record:
    """One notice with where, to whom, by whom and in which thread.

    :raises NotFound: also when this actor may not look at it.
    """
    notice = sent(actor, unit, public_id)
    clauses, readable = _clauses(unit, notice)
    return Record(
        notice,
        unit.session.scalar(sa.select(User.name).where(User.id == notice.sender_id)) or "",
        unit.session.scalar(sa.select(Organization.name).where(Organization.id == notice.organization_id))
        or "",
        _regions(unit, notice),
        clauses,
        "any" in notice.audience,
        readable,
        json.dumps(notice.audience, ensure_ascii=False, indent=2),
        unit.session.scalars(
            sa.select(Attachment).where(Attachment.notice_id == notice.id).order_by(Attachment.id)
        ).all(),
        _thread(actor, unit, notice),
        unit.site.access.allows(actor, CHANGE, notice),
    )


def cancel_sent(actor: Actor, unit: UnitOfWork, public_id: str, reason: str) -> Notice:
    """End the thread of a notice; ``reason`` is what those read who had been addressed.

    :raises Invalid: without a reason.
    :raises NotFound: also when this actor may not look at it.
    """
    notice = sent(actor, unit, public_id)
    unit.require(actor, CHANGE, notice)
    text = reason.strip()
    if not text or len(text) > MOST_REASON:
        raise Invalid(NO_REASON, {"reason": [NO_REASON]})
    return cancel(actor, unit, notice, body=text)


def _regions(unit: UnitOfWork, notice: Notice) -> Sequence[str]:
    query = sa.select(NoticeRegion.region).where(NoticeRegion.notice_id == notice.id, NoticeRegion.given)
    return unit.session.scalars(query.order_by(NoticeRegion.region)).all()


def _clauses(unit: UnitOfWork, notice: Notice) -> tuple[list[Words], bool]:
    """The audience part by part, and whether every attribute of it is still known here."""
    known = attributes(unit.site)
    try:
        expression = parse(notice.audience, known)
    except Invalid:
        return [], False
    parts = expression.parts if isinstance(expression, All | Any) and expression.parts else (expression,)
    places = unit.site.regions
    return [describe(part, known, places) for part in parts if part != EVERYBODY], True


def _thread(actor: Actor, unit: UnitOfWork, notice: Notice) -> list[Notice]:
    if notice.thread is None:
        return [notice]
    query = sa.select(Notice).where(Notice.thread == notice.thread).order_by(Notice.id).limit(MOST_THREAD)
    return [n for n in unit.session.scalars(query) if unit.site.access.allows(actor, READ, n)]
