"""Publish, update, cancel. One transaction writes the notice, its regions and its frozen audience."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from pyroaring import BitMap
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import Actor, system
from keyun.accounts import Organization
from keyun.db import is_public_id, is_sqlite, public_id
from keyun.errors import Conflict, NotFound
from keyun.jobs import enqueue
from keyun.uow import UnitOfWork
from keyun_notices.audience.expression import All, Expression, Within, parse
from keyun_notices.contacts.addressing import freeze_contacts
from keyun_notices.people.resident import attributes, resident
from keyun_notices.publishing import frozen
from keyun_notices.publishing.checks import check, check_references
from keyun_notices.publishing.draft import Draft
from keyun_notices.publishing.models import Attachment, Notice, NoticeRegion, Reference
from keyun_notices.publishing.places import COUNTRY, known, outermost, root
from keyun_notices.publishing.settling import settle_thread
from keyun_notices.relays.addressing import freeze_relays

__all__ = ["addressed", "cancel", "conditions", "named", "publish", "sent", "start", "whole"]

SEND, READ = "notices.notice.send", "notices.notice.read"
START = "notices.start"
#: The one lock of publishing on PostgreSQL; SQLite has one writer anyway.
LOCK = 0x6B79_6E6F_7469_6365
#: How long the note stays that a thread was cancelled, unless its sender says otherwise.
NOTE_DAYS = 7


def publish(actor: Actor, unit: UnitOfWork, draft: Draft) -> Notice:
    """Publish ``draft``, or return the notice that was published with the same key and content before.

    What starts later is stored and its audience frozen when it starts. A notice may be hidden from its
    beginning because what updates or cancels it arrived first; its state says so.

    :raises Invalid: naming the fields that are wrong.
    :raises Forbidden: for a region that is not the actor's, or a reference to somebody else's notice.
    :raises Conflict: when the key stands for another content already; nothing changes then.
    """
    unit.require(actor, SEND)
    expression = parse(draft.audience, attributes(unit.site))
    found = _there(actor, unit, draft)
    if found is not None:
        return found
    check(actor, unit, draft)
    hold(unit)
    check_references(actor, unit, draft)
    notice = _insert(actor, unit, draft)
    if notice is None:
        return _won(actor, unit, draft)
    _belongings(unit, notice, draft)
    if notice.state == "scheduled":
        unit.record("notice.scheduled", "notice", notice.id, actor, starts_at=notice.starts_at.isoformat())
        _start_later(unit, notice)
        settle_thread(unit, notice, actor)
    else:
        _enter(unit, notice, conditions(draft.regions, expression), actor)
    unit.session.flush()
    return notice


def cancel(actor: Actor, unit: UnitOfWork, which: Notice | str, *, body: str = "", ikey: str = "") -> Notice:
    """End the thread of a notice, named by itself or its key, which may arrive later; returns the note.

    Whoever had been addressed finds one note in place of the thread. Cancelling again changes nothing.

    :raises Forbidden: when it is somebody else's notice.
    :raises Conflict: when it was cancelled before with other words.
    """
    unit.require(actor, SEND)
    key = which.ikey if isinstance(which, Notice) else which
    own = ikey or f"cancel:{key}"
    if len(own) > 160:
        own = f"cancel:{hashlib.sha256(key.encode()).hexdigest()}"
    return publish(actor, unit, Draft(own, kind="cancel", body=body, refers_to=(key,)))


def start(unit: UnitOfWork, notice_id: int) -> bool:
    """Publish a scheduled notice whose moment has come; False when it is not due, hidden or started already.

    Part of a job: whoever scheduled it was allowed to.
    """
    hold(unit)
    due = sa.update(Notice).where(
        Notice.id == notice_id, Notice.state == "scheduled", Notice.starts_at <= unit.now
    )
    if unit.session.connection().execute(due.values(state="published")).rowcount != 1:
        return False
    notice = unit.session.get_one(Notice, notice_id, populate_existing=True)
    _enter(unit, notice, whole(unit, notice), system())
    unit.session.flush()
    return True


def sent(actor: Actor, unit: UnitOfWork, name: str) -> Notice:
    """The notice of a public id or key, for staff.

    :raises NotFound: also when this actor may not look at it.
    """
    notice = named(unit, name)
    if notice is None or not unit.site.access.allows(actor, READ, notice):
        raise NotFound(f"没有通知 {name[:80]}。 (There is no notice {name[:80]}.)")
    unit.require(actor, READ, notice)
    return notice


def named(unit: UnitOfWork, name: str) -> Notice | None:
    """The notice of a public id or key; whoever hands it on asks for the right to it."""
    column = Notice.public_id if is_public_id(name) else Notice.ikey
    return unit.session.scalar(sa.select(Notice).where(column == name))


def addressed(unit: UnitOfWork, notice: Notice) -> BitMap:
    """The frozen audience: ids of those who were addressed, but for those erased since. Open to services."""
    return frozen.thaw(unit.session, [notice.id])


def whole(unit: UnitOfWork, notice: Notice) -> Expression:
    """What a person must meet to get ``notice``: its audience, inside its regions."""
    codes = unit.session.scalars(
        sa.select(NoticeRegion.region).where(NoticeRegion.notice_id == notice.id, NoticeRegion.given)
    ).all()
    return conditions(codes, parse(notice.audience, attributes(unit.site)))


def conditions(codes: Iterable[str], audience: Expression) -> Expression:
    """``audience`` inside the regions ``codes``; the country adds no condition."""
    inside = outermost(codes)
    if inside == [COUNTRY]:
        return audience
    return All((Within("region", tuple(inside)), audience))


def hold(unit: UnitOfWork) -> None:
    """Let one transaction at a time change threads and audiences, to its end.

    Otherwise a notice and its cancellation that arrive at once would not see each other.
    """
    if not is_sqlite(unit.session):
        unit.session.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))


def _there(actor: Actor, unit: UnitOfWork, draft: Draft) -> Notice | None:
    """The notice that has the key of ``draft`` already.

    :raises Conflict: when it says something else, or somebody else sent it.
    """
    notice = unit.session.scalar(sa.select(Notice).where(Notice.ikey == draft.ikey))
    if notice is None:
        return None
    mine = notice.by_system if actor.is_system else notice.sender_id == actor.user_id
    if mine and notice.body_hash == draft.body_hash():
        return notice
    raise Conflict(
        "这个编号已用于另一条通知，原通知没有改动；请换一个编号，或发布更新。"
        " (This key stands for another notice, which stays as it is; use another key, or publish an update.)"
    )


def _won(actor: Actor, unit: UnitOfWork, draft: Draft) -> Notice:
    """The notice that another transaction published with this key in the same moment."""
    notice = _there(actor, unit, draft)
    if notice is None:
        raise Conflict("通知刚刚被删除，请重试。 (The notice has just gone; try again.)")
    return notice


def _insert(actor: Actor, unit: UnitOfWork, draft: Draft) -> Notice | None:
    """Take the key and write the row; None when somebody else has taken it. The constraint decides."""
    values = _values(actor, unit, draft)
    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    row = insert(Notice).values(values).on_conflict_do_nothing(index_elements=["ikey"]).returning(Notice.id)
    notice_id = unit.session.execute(row).scalar_one_or_none()
    return unit.session.get_one(Notice, notice_id) if notice_id is not None else None


def _values(actor: Actor, unit: UnitOfWork, draft: Draft) -> Mapping[str, Any]:
    starts = draft.starts_at or unit.now
    organization = None
    if draft.organization:
        query = sa.select(Organization.id).where(Organization.public_id == draft.organization)
        organization = unit.session.scalar(query)
    return {
        "public_id": public_id(),
        "ikey": draft.ikey,
        "body_hash": draft.body_hash(),
        "topic": draft.topic,
        "kind": draft.kind,
        "life": draft.life,
        "title": draft.title,
        "own_title": bool(draft.title),
        "body": draft.body,
        "link": draft.link or None,
        "sender_id": actor.user_id,
        "by_system": actor.is_system,
        "organization_id": organization,
        "region": root(outermost(draft.regions)) if draft.regions else None,
        "audience": dict(draft.audience),
        "definition": resident(unit.site).definition,
        "contacts": draft.contacts,
        "relays": draft.relays,
        "starts_at": starts,
        "expires_at": draft.expires_at or _until(draft, starts),
        "state": "scheduled" if starts > unit.now else "published",
        "addressed": 0,
        "erased": 0,
        "digest": "",
        "salt": secrets.token_hex(32),
        "created_at": unit.now,
        "version": 1,
    }


def _until(draft: Draft, starts: dt.datetime) -> dt.datetime | None:
    return starts + dt.timedelta(days=NOTE_DAYS) if draft.kind == "cancel" else None


def _belongings(unit: UnitOfWork, notice: Notice, draft: Draft) -> None:
    """The rows around a new notice: where it applies, what it refers to, its files."""
    regions = known(unit.site.regions, draft.regions, unit.today)
    where = [{"region": code, "notice_id": notice.id, "given": given} for code, given in regions.items()]
    refers = [{"notice_id": notice.id, "refers_to": key} for key in dict.fromkeys(draft.refers_to)]
    for model, rows in ((NoticeRegion, where), (Reference, refers)):
        if rows:
            unit.session.execute(sa.insert(model), rows)
    for kept in draft.attachments:
        unit.session.add(
            Attachment(
                notice_id=notice.id,
                name=kept.name,
                content_type=kept.content_type,
                size=kept.size,
                digest=kept.digest,
            )
        )


def _start_later(unit: UnitOfWork, notice: Notice) -> None:
    """A job at that moment; the sweep finds what it missed."""
    enqueue(
        unit.session,
        START,
        {"notice_id": notice.id},
        now=unit.now,
        key=f"{START}:{notice.id}",
        run_at=notice.starts_at,
    )


def _enter(unit: UnitOfWork, notice: Notice, expression: Expression, actor: Actor) -> None:
    """Freeze who is addressed at this moment, also when the notice is hidden from its beginning.

    Its cancellation is addressed to them, whichever of the two arrived first.
    """
    live = resident(unit.site)
    people = BitMap() if notice.kind == "cancel" else live.matching(unit, expression)
    notice.definition = live.definition
    notice.digest = frozen.freeze(unit.session, notice.id, people)
    notice.addressed = len(people)
    if notice.kind != "cancel":
        freeze_contacts(unit, notice)
        freeze_relays(unit, notice)
    unit.session.flush()
    settle_thread(unit, notice, actor)
