"""A contact answers that he has read what he was told; which notice that was, the outbox knows."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.db import is_sqlite
from keyun.uow import UnitOfWork
from keyun_notices.contacts.models import ContactReceipt
from keyun_notices.outbox.models import DELIVERED, HANDED, UNCERTAIN, OutboxRow
from keyun_notices.publishing.models import Notice

#: An answer that comes later is about something else.
WITHIN = dt.timedelta(days=7)


def confirm(unit: UnitOfWork, contact_id: int) -> Notice | None:
    """Note that a contact has read the newest notice that was sent to him; None when there is none.

    Open: the gateway knows who sent the text. Answering again changes nothing.
    """
    newest = (
        sa.select(Notice)
        .join(OutboxRow, OutboxRow.notice_id == Notice.id)
        .where(
            OutboxRow.recipient_kind == "contact",
            OutboxRow.recipient_id == contact_id,
            OutboxRow.state.in_((HANDED, DELIVERED, UNCERTAIN)),
            OutboxRow.changed_at > unit.now - WITHIN,
        )
        .order_by(OutboxRow.handed_at.desc().nulls_last(), OutboxRow.id.desc())
        .limit(1)
    )
    notice = unit.session.scalars(newest).first()
    if notice is None:
        return None
    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    row = insert(ContactReceipt).values(notice_id=notice.id, contact_id=contact_id, confirmed_at=unit.now)
    unit.session.execute(row.on_conflict_do_nothing())
    return notice


def confirmed(unit: UnitOfWork, notice_id: int) -> int:
    """How many contacts said that they have read a notice. Open: a figure without a name in it."""
    rows = sa.select(sa.func.count()).select_from(ContactReceipt)
    return unit.session.scalar(rows.where(ContactReceipt.notice_id == notice_id)) or 0
