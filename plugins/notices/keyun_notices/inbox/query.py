"""The one statement behind the inbox: what is active, and addressed to a person or near him.

It is put together once for each database and then only given values: that takes longer than the answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol, cast

import sqlalchemy as sa

from keyun.accounts import User
from keyun.db import UTCDateTime, is_sqlite
from keyun.uow import UnitOfWork
from keyun_notices.inbox.cursor import Place
from keyun_notices.inbox.models import Receipt
from keyun_notices.preferences.audience import impersonal
from keyun_notices.preferences.models import Preference
from keyun_notices.publishing import frozen
from keyun_notices.publishing.models import Addressed, Notice, NoticeRegion
from keyun_notices.publishing.places import chain

#: How many rows are read at once when the first few were not enough; an inbox rarely has more.
BATCH = 250


class Row(Protocol):
    """A notice that may stand in the inbox, and what the person did with it."""

    id: int
    published_at: dt.datetime
    created_at: dt.datetime
    starts_at: dt.datetime
    addressed: bool
    shown_at: dt.datetime | None
    opened_at: dt.datetime | None
    acted_at: dt.datetime | None


def candidates(
    unit: UnitOfWork, user_id: int, place: Place | None, most: int, only_unread: bool, personal: bool = True
) -> Sequence[Row]:
    """Up to ``most`` rows after ``place``, newest first; those not addressed are yet to be judged.

    Without ``personal``, and for who refuses it in his preferences, only what was chosen by region alone,
    and what is of the life-threat class.
    """
    sqlite = is_sqlite(unit.session)
    connection = unit.session.connection()
    code, refuses = connection.execute(_reader(), {"user": user_id}).one_or_none() or (None, False)
    values: dict[str, Any] = {
        "user": user_id,
        "chunk": user_id >> frozen.SHIFT,
        "around": chain(unit.site.regions, code, unit.today),
        "now": unit.now,
        "most": most,
        **frozen.place(sqlite, user_id),
    }
    if place is not None:
        values["moment"], values["number"] = place
    found = connection.execute(
        _statement(sqlite, only_unread, place is not None, personal and not refuses), values
    ).all()
    return cast("Sequence[Row]", found)


@cache
def _reader() -> sa.Select[Any]:
    """Where the person is, and whether he refuses what was chosen by more than that."""
    shown: tuple[Any, ...] = (User.region, sa.func.coalesce(Preference.impersonal, sa.false()))
    found: sa.Select[Any] = sa.select(*shown).outerjoin(Preference, Preference.user_id == User.id)
    return found.where(User.id == sa.bindparam("user", type_=sa.Integer))


@cache
def _statement(sqlite: bool, only_unread: bool, further: bool, personal: bool) -> sa.Select[Any]:
    user = sa.bindparam("user", type_=sa.Integer)
    here = sa.and_(
        Addressed.notice_id == Notice.id, Addressed.chunk == sa.bindparam("chunk", type_=sa.Integer)
    )
    own = sa.and_(Receipt.notice_id == Notice.id, Receipt.user_id == user)
    bit = sa.func.coalesce(frozen.bit(sqlite, Addressed.bits), sa.false())
    near = sa.exists().where(
        NoticeRegion.notice_id == Notice.id, NoticeRegion.region.in_(sa.bindparam("around", expanding=True))
    )
    moments = (Notice.published_at, Notice.created_at, Notice.starts_at)
    done = (Receipt.shown_at, Receipt.opened_at, Receipt.acted_at)
    shown: tuple[Any, ...] = (Notice.id, *moments, bit.label("addressed"), *done)
    found: sa.Select[Any] = (
        sa.select(*shown)
        .select_from(Notice)
        .outerjoin(Addressed, here)
        .outerjoin(Receipt, own)
        .where(_active(), sa.or_(bit, sa.and_(Notice.kind != "cancel", near)))
        .order_by(Notice.published_at.desc(), Notice.id.desc())
        .limit(sa.bindparam("most", type_=sa.Integer))
    )
    if not personal:
        found = found.where(sa.or_(Notice.life, impersonal()))
    if only_unread:
        found = found.where(Receipt.opened_at.is_(None))
    if further:
        last = sa.tuple_(
            sa.bindparam("moment", type_=UTCDateTime()), sa.bindparam("number", type_=sa.Integer)
        )
        found = found.where(sa.tuple_(Notice.published_at, Notice.id) < last)
    return found


def _active() -> sa.ColumnElement[bool]:
    """What stands in inboxes: expiry holds at once, not when a job runs."""
    runs = sa.or_(Notice.expires_at.is_(None), Notice.expires_at > sa.bindparam("now", type_=UTCDateTime()))
    return sa.and_(Notice.state == "published", Notice.published_at.is_not(None), runs)
