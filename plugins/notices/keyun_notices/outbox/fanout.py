"""The job that puts a notice into the outbox: accounts, contacts, relays, each from its frozen audience.

It walks by a stored watermark. A step looks at some thousand ids in a reading unit and writes at most a
thousand letters together with the new watermark, so a killed job goes on where it was and puts nothing
twice. The walk begins anew when the audience changed: a cancellation may come before what it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.db import is_sqlite
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.contacts import bits
from keyun_notices.contacts.models import AddressedContact
from keyun_notices.outbox.channels.protocol import Channel
from keyun_notices.outbox.directory import channels
from keyun_notices.outbox.models import Fanout
from keyun_notices.outbox.services import SEND_JOB, Delivery, put
from keyun_notices.preferences.audience import regional
from keyun_notices.preferences.services import collect, plan
from keyun_notices.publishing.models import Addressed, Notice
from keyun_notices.relays.models import AddressedRelay

#: Ids looked at in one step, and letters written in one.
LOOK, WRITE = 4096, 1000
DONE = "done"
#: The stages in their order: the kind of recipient and the table of the audience.
STAGES: Mapping[str, Any] = {"account": Addressed, "contact": AddressedContact, "relay": AddressedRelay}


@dataclass(frozen=True, slots=True)
class Step:
    """What one step writes: letters and digest items, and where the walk stands afterwards."""

    stage: str
    watermark: int
    letters: Sequence[Delivery] = ()
    digest: Sequence[int] = field(default=())


def fan_out(site: Site, notice_id: int) -> None:
    """Put the letters of a notice; run again, it puts only what is missing."""
    known = channels(site)
    with site.writing() as unit:
        if not _begin(unit, notice_id):
            return
    more = True
    while more:
        with site.reading() as unit:
            row = unit.session.get(Fanout, notice_id)
            notice = unit.session.get(Notice, notice_id)
            if row is None or notice is None or row.stage == DONE:
                break
            step = _look(unit, known, notice, row)
        with site.writing() as unit:
            more = _write(unit, notice_id, row, step)
    with site.writing() as unit:
        unit.enqueue(SEND_JOB, key=SEND_JOB)


def _begin(unit: UnitOfWork, notice_id: int) -> bool:
    """Start the walk, or go on with one that was killed; False when there is no such notice."""
    notice = unit.session.get(Notice, notice_id)
    if notice is None:
        return False
    first = next(iter(STAGES))
    new = {"stage": first, "watermark": 0, "seal": notice.digest, "changed_at": unit.now, "over": False}
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(Fanout)
    row = insert.values(notice_id=notice_id, put=0, **new)
    anew = sa.or_(Fanout.stage == DONE, Fanout.seal != notice.digest)
    unit.session.execute(row.on_conflict_do_update(index_elements=["notice_id"], set_=new, where=anew))
    return True


def _look(unit: UnitOfWork, known: Mapping[str, Channel], notice: Notice, row: Fanout) -> Step:
    """Decide about the next ids of the stage, or move on to the next stage."""
    if notice.state != "published" or (notice.expires_at is not None and notice.expires_at <= unit.now):
        return Step(DONE, 0)
    ids = list(islice(bits.read(unit.session, STAGES[row.stage], notice.id, row.watermark), LOOK))
    if not ids:
        return Step(_after(row.stage), 0)
    if row.stage == "account":
        letters, digest = _accounts(unit, known, notice, ids)
    else:
        letters, digest = _others(unit, known, notice, row.stage, ids), ()
    return _cut(Step(row.stage, ids[-1], letters, digest))


def _cut(step: Step) -> Step:
    """At most :data:`WRITE` letters and items, of whole recipients; the rest belongs to the next step."""
    everybody = sorted([*(d.recipient_id for d in step.letters), *step.digest])
    if len(everybody) <= WRITE:
        return step
    last = everybody[WRITE]
    if everybody[0] == last:
        return step
    return Step(
        step.stage,
        last - 1,
        [d for d in step.letters if d.recipient_id < last],
        [u for u in step.digest if u < last],
    )


def _after(stage: str) -> str:
    names = [*STAGES, DONE]
    return names[names.index(stage) + 1]


def _accounts(
    unit: UnitOfWork, known: Mapping[str, Channel], notice: Notice, ids: Sequence[int]
) -> tuple[list[Delivery], Sequence[int]]:
    """Letters to accounts by the first channel each wants and has; of the life-threat class by every one."""
    mine = [n for n, c in known.items() if "account" in c.kinds]
    personal = not regional(notice.audience)
    found = plan(unit, ids, notice.topic, mine, life=notice.life, personal=personal, notice_id=notice.id)
    letters: list[Delivery] = []
    placed: set[int] = set()
    for name in mine:
        wanting = [u for u in found.at_once[name] if notice.life or u not in placed]
        reached = known[name].reaches(unit, "account", wanting) if wanting else {}
        placed |= reached.keys()
        letters += [Delivery(notice.id, "account", u, name, urgent=notice.life) for u in reached]
    return letters, found.digest


def _others(
    unit: UnitOfWork, known: Mapping[str, Channel], notice: Notice, kind: str, ids: Sequence[int]
) -> list[Delivery]:
    """Letters to contacts or relays, each by the first channel that reaches it."""
    letters: list[Delivery] = []
    left = list(ids)
    for name, channel in known.items():
        if kind in channel.kinds and left:
            reached = channel.reaches(unit, kind, left)
            letters += [Delivery(notice.id, kind, number, name, urgent=notice.life) for number in reached]
            left = [n for n in left if n not in reached]
    return letters


def _write(unit: UnitOfWork, notice_id: int, row: Fanout, step: Step) -> bool:
    """Write a step unless somebody else has moved on; returns whether there is more to do."""
    here = (
        Fanout.notice_id == notice_id,
        Fanout.stage == row.stage,
        Fanout.watermark == row.watermark,
        Fanout.seal == row.seal,
    )
    moved = sa.update(Fanout).where(*here).values(
        stage=step.stage, watermark=step.watermark, changed_at=unit.now
    )  # fmt: skip
    if unit.session.connection().execute(moved).rowcount == 1:
        new = put(unit, step.letters)
        if step.digest:
            collect(unit, notice_id, step.digest)
        if new:
            unit.session.connection().execute(
                sa.update(Fanout).where(Fanout.notice_id == notice_id).values(put=Fanout.put + new)
            )
    return step.stage != DONE
