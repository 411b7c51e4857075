"""The inbox of one person: what is active for him, what he did with it, and why he gets it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import Actor
from keyun.api import Page
from keyun.db import is_public_id, is_sqlite
from keyun.errors import NotFound
from keyun.uow import UnitOfWork
from keyun_notices.audience.why import Clause
from keyun_notices.inbox import query
from keyun_notices.inbox.cursor import Place, after_place, place_of
from keyun_notices.inbox.membership import Judge, Membership, explain, frozen_at, membership
from keyun_notices.inbox.models import Receipt
from keyun_notices.publishing import frozen
from keyun_notices.publishing.models import Addressed, Attachment, Notice

READ = "notices.inbox.read"
#: Above this the exact number helps nobody.
MOST_UNREAD = 99
MOST_THREAD = 50


@dataclass(frozen=True, slots=True)
class Item:
    """One notice in an inbox; ``addressed`` is False for who meets it only now."""

    notice: Notice
    addressed: bool
    shown_at: dt.datetime | None
    opened_at: dt.datetime | None
    acted_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Opened:
    """One notice as its reader sees it: why he gets it, its files, and the thread that he may read."""

    notice: Notice
    membership: Membership
    why: Clause | None
    attachments: Sequence[Attachment]
    thread: Sequence[Notice]
    receipt: Receipt | None


def inbox(
    actor: Actor, unit: UnitOfWork, after: str | None = None, limit: int = 20, *, personal: bool = True
) -> Page[Item]:
    """The active notices for ``actor``, newest first.

    Without ``personal``, as with the preference not to be chosen by anything but the region, only those
    that were not.

    :raises Invalid: when ``after`` is not a cursor of this list.
    """
    unit.require(actor, READ)
    found: list[query.Row] = []
    for seen in _visible(unit, _number(actor), after_place(after), limit + 1, personal=personal):
        found.append(seen)
        if len(found) > limit:
            break
    shown = found[:limit]
    notices = _notices(unit, [s.id for s in shown])
    items = [Item(notices[s.id], bool(s.addressed), s.shown_at, s.opened_at, s.acted_at) for s in shown]
    more = len(found) > limit
    return Page(items, place_of(shown[-1].published_at, shown[-1].id) if more else None)


def unread(actor: Actor, unit: UnitOfWork) -> int:
    """How many active notices ``actor`` has not opened, counted up to one above :data:`MOST_UNREAD`."""
    unit.require(actor, READ)
    count = 0
    for _ in _visible(unit, _number(actor), None, MOST_UNREAD + 1, only_unread=True):
        count += 1
        if count > MOST_UNREAD:
            break
    return count


def look(actor: Actor, unit: UnitOfWork, public_id: str) -> Opened:
    """One notice of the inbox, active or not any more; leaves no receipt.

    :raises NotFound: when there is none, or it is not for this actor: both look the same.
    """
    unit.require(actor, READ)
    notice, member = _mine(actor, unit, public_id)
    user_id = _number(actor)
    files = unit.session.scalars(
        sa.select(Attachment).where(Attachment.notice_id == notice.id).order_by(Attachment.id)
    ).all()
    return Opened(
        notice,
        member,
        None if notice.kind == "cancel" else explain(unit, user_id, notice),
        files,
        _thread(unit, user_id, notice),
        unit.session.get(Receipt, (user_id, notice.id), populate_existing=True),
    )


def open_(actor: Actor, unit: UnitOfWork, public_id: str) -> Opened:
    """Like :func:`look`, and note that the actor has opened it; the first moment stays."""
    unit.require(actor, READ)
    notice, _ = _mine(actor, unit, public_id)
    _receive(unit, _number(actor), [notice.id], "shown_at", "opened_at")
    return look(actor, unit, public_id)


def acted(actor: Actor, unit: UnitOfWork, public_id: str) -> Opened:
    """Note that the actor did what the notice asks for; the first moment stays.

    :raises NotFound: when it is not for this actor.
    """
    unit.require(actor, READ)
    notice, _ = _mine(actor, unit, public_id)
    _receive(unit, _number(actor), [notice.id], "shown_at", "opened_at", "acted_at")
    return look(actor, unit, public_id)


def shown(actor: Actor, unit: UnitOfWork, items: Sequence[Item]) -> None:
    """Note that a list with ``items``, which :func:`inbox` gave, was put before the actor."""
    unit.require(actor, READ)
    _receive(unit, _number(actor), [i.notice.id for i in items], "shown_at")


def attachment(actor: Actor, unit: UnitOfWork, public_id: str, file_id: str) -> Attachment:
    """A file of a notice that is for ``actor``.

    :raises NotFound: when there is none, or the notice is not for this actor.
    """
    unit.require(actor, READ)
    notice, _ = _mine(actor, unit, public_id)
    query = sa.select(Attachment).where(Attachment.notice_id == notice.id, Attachment.public_id == file_id)
    found = unit.session.scalar(query) if is_public_id(file_id) else None
    if found is None:
        raise NotFound("没有这个附件。 (There is no such file.)")
    return found


def _number(actor: Actor) -> int:
    """Whose inbox it is.

    :raises NotFound: for the operator, who has none.
    """
    if actor.user_id is None:
        raise NotFound("收件箱属于账号。 (An inbox belongs to an account.)")
    return actor.user_id


def _mine(actor: Actor, unit: UnitOfWork, public_id: str) -> tuple[Notice, Membership]:
    notice = None
    if is_public_id(public_id):
        notice = unit.session.scalar(sa.select(Notice).where(Notice.public_id == public_id))
    member = membership(unit, _number(actor), notice) if notice is not None else None
    if notice is None or member is None:
        raise NotFound("没有这条通知，或它不是发给您的。 (There is no such notice for you.)")
    return notice, member


def _visible(
    unit: UnitOfWork,
    user_id: int,
    place: Place | None,
    wanted: int,
    *,
    only_unread: bool = False,
    personal: bool = True,
) -> Iterator[query.Row]:
    """What stands in the inbox of the user after ``place``, newest first.

    The database answers for those addressed, and narrows the others down to the regions around him;
    whether he meets their conditions is judged here. ``wanted`` rows are enough when all are for him.
    """
    judge, most = Judge(unit, user_id), wanted
    while True:
        rows = query.candidates(unit, user_id, place, most, only_unread, personal)
        now = judge.meets({r.id: frozen_at(r) for r in rows if not r.addressed})
        yield from (r for r in rows if r.addressed or r.id in now)
        if len(rows) < most:
            return
        place, most = (rows[-1].published_at, rows[-1].id), query.BATCH


def _notices(unit: UnitOfWork, ids: Sequence[int]) -> dict[int, Notice]:
    return {n.id: n for n in unit.session.scalars(sa.select(Notice).where(Notice.id.in_(ids)))}


def _thread(unit: UnitOfWork, user_id: int, notice: Notice) -> Sequence[Notice]:
    """The other messages of the thread that were addressed to the user, newest first."""
    query = (
        sa.select(Notice)
        .join(Addressed, sa.and_(Addressed.notice_id == Notice.id, frozen.at(user_id)))
        .where(
            Notice.thread == notice.thread,
            Notice.id != notice.id,
            Notice.published_at.is_not(None),
            frozen.holds(unit.session, Addressed.bits, user_id),
        )
    )
    return unit.session.scalars(
        query.order_by(Notice.published_at.desc(), Notice.id.desc()).limit(MOST_THREAD)
    ).all()


def _receive(unit: UnitOfWork, user_id: int, ids: Sequence[int], *columns: str) -> None:
    """Write the moment into ``columns`` of the receipts where it is still empty, in one statement."""
    if not ids:
        return
    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    moments = dict.fromkeys(columns, unit.now)
    rows = [{"user_id": user_id, "notice_id": n, **moments} for n in sorted(ids)]
    new = insert(Receipt).values(rows)
    first = {c: sa.func.coalesce(getattr(Receipt, c), getattr(new.excluded, c)) for c in columns}
    unit.session.execute(new.on_conflict_do_update(index_elements=["user_id", "notice_id"], set_=first))
