"""Forget a person: out of the months, out of the raw records; and hand over what is held."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from itertools import chain

import sqlalchemy as sa
from pyroaring import BitMap

from keyun.access import Actor, system
from keyun.accounts import Export
from keyun.events import Event, after, durable_cursor, head, move_cursor
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_usage import archive, folding, places, storing
from keyun_usage.models import Forgotten, People
from keyun_usage.reading import pieces
from keyun_usage.spool import SUFFIX

log = logging.getLogger(__name__)
FORGET_JOB = "usage.forget"
CONSUMER = "usage.erased"
#: What one person can have opened within the window and takes along; what is cut says so.
MOST_EXPORTED = 50_000


def ask(unit: UnitOfWork, user_id: int) -> None:
    """Leave the person out of every answer from now on, and queue the work; part of the erasure itself."""
    storing.insert_once(unit.session, Forgotten, number=user_id, at=unit.now)
    # Without the number, or the erasure would drop the job with the others about this person.
    unit.enqueue(FORGET_JOB, key=FORGET_JOB)


def catch_up(unit: UnitOfWork) -> int:
    """Mark those who were erased while this plugin was off; returns how many."""
    here, end = durable_cursor(unit.session, CONSUMER), head(unit.session)
    erased = sa.select(Event.subject_id).where(after(unit.session, here), Event.name == "user.erased")
    numbers = unit.session.scalars(erased).all()
    for number in numbers:
        storing.insert_once(unit.session, Forgotten, number=number, at=unit.now)
    if end > here:
        move_cursor(unit.session, CONSUMER, end)
    return len(numbers)


def forget(actor: Actor, site: Site) -> tuple[int, int]:
    """Clear the bits of everybody who is marked and rewrite raw files; repeating changes nothing.

    Everybody each time, however long ago: work may have rested for days, and late records still come in.
    Returns how many months of places and how many raw files changed.
    """
    with places.alone(site.runtime.instance, wait=True):
        with site.writing() as unit:
            unit.require(actor, "usage.figure.recount")
            catch_up(unit)
        with site.reading() as unit:
            gone = folding.forgotten(unit)
            months = sorted(unit.session.scalars(sa.select(People.month).distinct()))
        if not len(gone):
            return 0, 0
        bits = storing.bitmap(gone)
        cleared = sum(_clear(site, key, bits) for month in months for key in _with(site, month, bits))
        rewritten = sum(1 for _ in archive.forget(places.raw_folder(site.runtime.instance), gone))
    return cleared, rewritten


def _with(site: Site, month: int, gone: BitMap) -> list[tuple[int, int, int]]:
    """Which bitmaps of a month hold anybody of ``gone``."""
    query = sa.select(People.month, People.region, People.rule, People.bits).where(People.month == month)
    with site.reading() as unit:
        rows = storing.fetch(unit.session, query)
    return [(m, place, rule) for m, place, rule, bits in rows if BitMap.deserialize(bits).intersect(gone)]


def _clear(site: Site, key: tuple[int, int, int], gone: BitMap) -> bool:
    """Take ``gone`` out of one bitmap; a change by somebody else meanwhile is met again."""
    where = (People.month == key[0], People.region == key[1], People.rule == key[2])
    while True:
        with site.reading() as unit:
            row = unit.session.execute(sa.select(People.version, People.bits).where(*where)).first()
        if row is None:
            return False
        bits = BitMap.deserialize(row.bits)
        removed = bits.intersection_cardinality(gone)
        if not removed:
            return False
        with site.writing() as unit:
            change = sa.update(People).where(*where, People.version == row.version)
            values = {"bits": (bits - gone).serialize(), "removed": People.removed + removed}
            done = unit.session.connection().execute(change.values(**values, version=row.version + 1))
            if done.rowcount == 1:
                return True


def export(unit: UnitOfWork, user_id: int) -> Iterable[Export]:
    """The months and places of a person, and the raw records that still carry the account."""
    yield Export("usage_months", list(_months(unit, user_id)))
    yield Export("usage_records", list(_records(unit, user_id)))


def _months(unit: UnitOfWork, user_id: int) -> Iterator[dict[str, object]]:
    query = sa.select(People.month, People.region, People.bits).order_by(People.month, People.region)
    for month, region, bits in storing.fetch(unit.session, query):
        if user_id in BitMap.deserialize(bits):
            yield {"month": f"{month // 100}-{month % 100:02}", "region": f"{region:06d}"}


def _records(unit: UnitOfWork, user_id: int) -> Iterator[dict[str, object]]:
    instance, left = unit.site.runtime.instance, MOST_EXPORTED
    raw = places.raw_folder(instance)
    archived = (found for _, found in archive.readable(raw))
    spool = sorted(places.spool_folder(instance).glob("*" + SUFFIX))
    waiting = (piece.batch for path in spool for piece in pieces(path))
    for batch in chain(archived, waiting):
        mine = batch.where(batch.registered & (batch.records["person"] == user_id)).records
        for r in mine[:left]:
            yield {
                "at": dt.datetime.fromtimestamp(int(r["at"]), dt.UTC).isoformat(),
                "region": f"{int(r['region']):06d}",
                "item": int(r["item"]),
                "type": batch.words.get(int(r["subject"]), ""),
                "channel": batch.words.get(int(r["channel"]), ""),
                "agent": batch.words.get(int(r["agent"]), ""),
            }
        if len(mine) > left:
            yield {"note": f"只列出前 {MOST_EXPORTED} 条。 (Only the first {MOST_EXPORTED} are listed.)"}
            return
        left -= len(mine)


def sweep(site: Site, keep_days: int) -> None:
    """Drop what is older than ``keep_days`` days; forget once more who left, for late records."""
    now = site.runtime.clock()
    forget(system(), site)
    with places.alone(site.runtime.instance, wait=True):
        first = now.astimezone(site.timezone).date() - dt.timedelta(days=keep_days)
        dropped = archive.drop_before(places.raw_folder(site.runtime.instance), first)
        with site.writing() as unit:
            folding.drop_parts(unit, first)
            long_gone = now - dt.timedelta(days=keep_days + 2)
            unit.session.execute(sa.delete(Forgotten).where(Forgotten.at < long_gone))
    if dropped:
        log.info("raw records of %d days are older than %d days and were dropped", dropped, keep_days)
