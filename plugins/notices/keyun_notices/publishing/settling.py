"""Bring the states of a thread in line with the messages that have arrived, whatever their order."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import sqlalchemy as sa
from pyroaring import BitMap

from keyun.access import Actor
from keyun.accounts import User, actor_for
from keyun.errors import Conflict
from keyun.uow import UnitOfWork
from keyun_notices.contacts import bits
from keyun_notices.contacts.models import AddressedContact, ContactAudience
from keyun_notices.inbox.models import Receipt
from keyun_notices.publishing import frozen
from keyun_notices.publishing.models import Notice, NoticeRegion, Reference
from keyun_notices.publishing.places import outermost, root
from keyun_notices.publishing.thread import CANCELLED, PUBLISHED, SUPERSEDED, Told, settle
from keyun_notices.relays.addressing import follow

CANCEL = "notices.notice.cancel"
FANOUT = "notices.fanout"
#: A thread is an event in the world; who needs more messages begins a new one.
MOST_MESSAGES = 500
EVENTS = {SUPERSEDED: "notice.superseded", CANCELLED: "notice.cancelled"}


def settle_thread(unit: UnitOfWork, notice: Notice, actor: Actor) -> None:
    """Give ``notice`` and everything connected with it the state that follows from all messages.

    The caller holds the lock of publishing (:func:`keyun_notices.publishing.services.hold`).

    :raises Conflict: when the thread has more than :data:`MOST_MESSAGES` messages.
    """
    found = _connected(unit, notice)
    rows = {n.id: n for n in found}
    rights = Rights(unit, rows)
    fates = settle([_told(n, refers) for n, refers in found.items()], rights.may)
    for n in sorted(rows.values(), key=lambda n: n.id):
        n.thread = fates[n.id].thread
        _become(unit, n, fates[n.id].state, actor)
    for n in rows.values():
        if n.kind == "cancel" and n.state == PUBLISHED:
            ended = [m for m in rows.values() if fates[m.id].note == n.id]
            _spread(unit, n, ended, actor)
    for n in rows.values():
        if n.state == PUBLISHED and n.published_at is None:
            announce(unit, n, actor)


def announce(unit: UnitOfWork, notice: Notice, actor: Actor) -> None:
    """From now on ``notice`` is visible: write it into the log, and hand it to the channels."""
    notice.published_at = notice.published_at or unit.now
    said = {"addressed": notice.addressed, "digest": notice.digest, "body_hash": notice.body_hash}
    unit.record("notice.published", "notice", notice.id, actor, **said, definition=notice.definition)
    hand_over(unit, notice)


def hand_over(unit: UnitOfWork, notice: Notice) -> None:
    """Let the outbox take ``notice`` to the channels people chose."""
    if notice.expires_at is None or notice.expires_at > unit.now:
        unit.enqueue(FANOUT, key=f"{FANOUT}:{notice.id}", notice_id=notice.id)


class Rights:
    """Who may change whose messages, asked for each pair once."""

    def __init__(self, unit: UnitOfWork, rows: dict[int, Notice]) -> None:
        self.unit, self.rows = unit, rows
        self._actors: dict[int, Actor | None] = {}

    def may(self, one: Told, other: Told) -> bool:
        """Whether the sender of ``one`` may update or cancel ``other``."""
        a, b = self.rows[one.id], self.rows[other.id]
        if a.by_system or (a.sender_id is not None and a.sender_id == b.sender_id):
            return True
        if a.sender_id is None:
            # His account is gone; what he had hidden must not come back.
            hidden = (CANCELLED,) if a.kind == "cancel" else (CANCELLED, SUPERSEDED)
            return a.thread is not None and a.thread == b.thread and b.state in hidden
        actor = self._actor(a.sender_id)
        return actor is not None and self.unit.site.access.allows(actor, CANCEL, b)

    def _actor(self, user_id: int) -> Actor | None:
        if user_id not in self._actors:
            user = self.unit.session.get(User, user_id)
            self._actors[user_id] = actor_for(user) if user is not None else None
        return self._actors[user_id]


def _connected(unit: UnitOfWork, notice: Notice) -> dict[Notice, frozenset[str]]:
    """The messages that hang together with ``notice`` by any reference, each with the keys it refers to."""
    found: dict[Notice, frozenset[str]] = {}
    keys: set[str] = {notice.ikey}
    asked: set[str] = set()
    while new := keys - asked:
        asked |= new
        referring = sa.select(Reference.notice_id).where(Reference.refers_to.in_(new))
        query = sa.select(Notice).where(sa.or_(Notice.ikey.in_(new), Notice.id.in_(referring)))
        query = query.execution_options(populate_existing=True).limit(MOST_MESSAGES + 1)
        rows = [n for n in unit.session.scalars(query) if n not in found]
        refers = _references(unit, [n.id for n in rows])
        for n in rows:
            found[n] = frozenset(refers.get(n.id, ()))
            keys |= {n.ikey, *found[n]}
        if len(found) > MOST_MESSAGES:
            raise Conflict(
                f"这一组通知已超过 {MOST_MESSAGES} 条，请另发新通知。"
                f" (This thread has over {MOST_MESSAGES} messages; publish a new notice.)"
            )
    return found


def _references(unit: UnitOfWork, ids: Sequence[int]) -> dict[int, set[str]]:
    query = sa.select(Reference.notice_id, Reference.refers_to).where(Reference.notice_id.in_(ids))
    found: dict[int, set[str]] = {}
    for notice_id, key in unit.session.execute(query):
        found.setdefault(notice_id, set()).add(key)
    return found


def _told(notice: Notice, refers_to: frozenset[str]) -> Told:
    sender: Hashable = (
        notice.sender_id if notice.sender_id is not None else ("", notice.by_system or notice.id)
    )
    # The seal is written when a notice enters; one that was hidden while it waited never does.
    live = bool(notice.digest)
    return Told(notice.id, notice.ikey, notice.kind == "cancel", refers_to, live, sender)


def _become(unit: UnitOfWork, notice: Notice, state: str, actor: Actor) -> None:
    """Move to ``state``, with an event; what waits for its moment goes on waiting unless it is hidden."""
    if notice.state == state or (notice.state == "scheduled" and state == PUBLISHED):
        return
    notice.state = state
    notice.version += 1
    if state in EVENTS:
        unit.record(EVENTS[state], "notice", notice.id, actor, thread=notice.thread)


def _spread(unit: UnitOfWork, note: Notice, ended: Sequence[Notice], actor: Actor) -> None:
    """Address the note to everybody who had been addressed by what it ended, or had seen it."""
    if not ended:
        return
    _describe(note, ended)
    ids = [n.id for n in ended]
    _regions(unit, note, ids)
    _contacts(unit, note, ids)
    follow(unit, note, ids)
    people = frozen.thaw(unit.session, ids)
    seen = sa.select(Receipt.user_id).where(Receipt.notice_id.in_(ids)).distinct()
    people |= BitMap(unit.session.scalars(seen).all())
    if people == frozen.thaw(unit.session, [note.id]):
        return
    frozen.drop(unit.session, note.id)
    note.digest = frozen.freeze(unit.session, note.id, people)
    note.addressed, note.erased = len(people), 0
    if note.published_at is not None:
        # What it ends arrived after it: the channels have more people to tell.
        announce(unit, note, actor)


def _describe(note: Notice, ended: Sequence[Notice]) -> None:
    """What the note has from those it ends; the one with the smallest key speaks for all."""
    first = min(ended, key=lambda n: n.ikey)
    if not note.own_title:
        note.title = first.title
    note.topic = first.topic
    note.life = any(n.life for n in ended)
    note.contacts = any(n.contacts for n in ended)
    note.relays = any(n.relays for n in ended)


def _regions(unit: UnitOfWork, note: Notice, ids: Iterable[int]) -> None:
    """The note applies where those applied that it ended."""
    query = sa.select(NoticeRegion.region, sa.func.max(sa.cast(NoticeRegion.given, sa.Integer)))
    rows = unit.session.execute(
        query.where(NoticeRegion.notice_id.in_(ids)).group_by(NoticeRegion.region)
    ).all()
    unit.session.execute(sa.delete(NoticeRegion).where(NoticeRegion.notice_id == note.id))
    values = [{"region": code, "notice_id": note.id, "given": bool(given)} for code, given in rows]
    if values:
        unit.session.execute(sa.insert(NoticeRegion), values)
    note.region = root(outermost(code for code, given in rows if given))


def _contacts(unit: UnitOfWork, note: Notice, ids: Sequence[int]) -> None:
    """Contacts that had been addressed hear of the end as well, and nobody else."""
    if not note.contacts:
        return
    found = {number for n in ids for number in bits.read(unit.session, AddressedContact, n)}
    unit.session.execute(sa.delete(AddressedContact).where(AddressedContact.notice_id == note.id))
    count = bits.keep(unit.session, AddressedContact, note.id, sorted(found))
    unit.session.merge(ContactAudience(notice_id=note.id, addressed=count, erased=0))
