"""Fold what processes appended: read, count, and store with the watermark, so that nothing counts twice."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from keyun.access import Actor, system
from keyun.errors import Conflict
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_usage import archive, grouping, places, storing
from keyun_usage.grouping import Counted, RuleOf, as_day
from keyun_usage.models import Forgotten, Part, Progress
from keyun_usage.reading import Array, Batch, Piece, pieces, read
from keyun_usage.rules import Rule, active, rules
from keyun_usage.spool import FLUSH_SECONDS, SUFFIX

log = logging.getLogger(__name__)
ATTEMPTS = 5
#: Records for one transaction: a second of work, some ten thousand counters.
MOST = 2_000_000
#: How old the moment "everything until then" may get while nothing comes in.
IDLE = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of one file, counted and ready to be stored."""

    name: str
    start: int
    piece: Piece
    counted: Counted
    rules: dict[int, str]
    merges: Sequence[storing.Merge]


def store(actor: Actor, unit: UnitOfWork, step: Step, final: str = "folded") -> None:
    """Add what ``step`` counted, and move the watermark of its file, or neither.

    :raises Conflict: when somebody else has folded this piece, or changed what it builds on.
    """
    unit.require(actor, "usage.figure.recount")
    storing.advance(
        unit,
        step.name,
        step.start,
        step.piece.offset,
        state=final if step.piece.complete else "open",
        records=step.counted.records,
        lost=step.piece.lost,
        killed=step.piece.killed,
        first_day=step.counted.first_day,
        last_day=step.counted.last_day,
    )
    storing.pin_days(unit.session, step.rules)
    storing.add_rows(unit.session, step.counted.rows)
    storing.put_people(unit.session, step.merges)


def fold_all(site: Site) -> int:
    """Fold everything that lies in the spool, and archive what is complete; returns the records folded.

    Nothing happens while another process of this machine does it.
    """
    with places.alone(site.runtime.instance, wait=False) as mine:
        return _fold_all(site) if mine else 0


def _fold_all(site: Site) -> int:
    began = site.runtime.clock()
    done = 0
    for path in sorted(places.spool_folder(site.runtime.instance).glob("*" + SUFFIX)):
        done += fold_file(site, path)
        archive_if_complete(site, path)
    _say_progress(site, began - dt.timedelta(seconds=FLUSH_SECONDS), done)
    return done


def fold_file(site: Site, path: Path, name: str = "", rule: Rule | None = None, final: str = "folded") -> int:
    """Fold what is new in one file, piece by piece; returns the records folded.

    ``name`` is what its watermark is kept under, ``rule`` the one for a history from elsewhere, ``final``
    the state of a file that is complete.

    :raises Conflict: when others keep changing the same figures.
    """
    name, done, conflicts = name or path.stem, 0, 0
    while True:
        step = _next_step(site, path, name, rule)
        if step is None:
            return done
        try:
            with site.writing() as unit:
                store(system(), unit, step, final)
        except Conflict:
            conflicts += 1
            if conflicts == ATTEMPTS:
                raise
            continue
        done += step.counted.records
        conflicts = 0
        if step.piece.complete:
            return done


def _next_step(site: Site, path: Path, name: str, rule: Rule | None) -> Step | None:
    """Read and count the next piece; None when there is nothing new."""
    with site.reading() as unit:
        part = unit.session.execute(sa.select(Part.state, Part.offset).where(Part.name == name)).first()
        state, start = part if part else ("open", 0)
        if state != "open":
            return None
        piece = read(path, start, MOST)
        if piece.offset == start and not piece.complete:
            return None
        counted, tied = count(unit, piece.batch, rule)
        return Step(name, start, piece, counted, tied, storing.merges(unit.session, counted.people))


def count(unit: UnitOfWork, batch: Batch, rule: Rule | None = None) -> tuple[Counted, dict[int, str]]:
    """Count ``batch`` by ``rule``, or each day by the rule it is tied to and new days by the active one.

    Also returns the rules to tie days to.
    """
    days: dict[int, str] = {}
    site = unit.site

    def always(_day: int) -> Rule:
        assert rule is not None
        return rule

    rule_of = _rule_of(unit, days) if rule is None else always
    counted = grouping.count(batch, site.timezone, places.resolver(site), rule_of, forgotten(unit))
    return counted, days


def _rule_of(unit: UnitOfWork, days: dict[int, str]) -> RuleOf:
    known = rules(unit.site)
    fresh = active(unit.site)
    tied = storing.tied_days(unit.session)

    def rule_of(day: int) -> Rule:
        held = tied.get(day, fresh.id)
        # A rule whose plugin is off cannot judge; late records of its days follow the fresh one.
        found = fresh if held == fresh.id else known.get(held, fresh)
        if held == found.id:
            days[day] = held
        return found

    return rule_of


def forgotten(unit: UnitOfWork) -> Array:
    """The numbers of accounts that are gone and may still stand in records."""
    return np.array(sorted(unit.session.scalars(sa.select(Forgotten.number))), dtype=np.uint64)


def archive_if_complete(site: Site, path: Path) -> None:
    """Keep a folded file as raw files by day, and delete it; repeating this changes nothing."""
    with site.reading() as unit:
        state = unit.session.scalar(sa.select(Part.state).where(Part.name == path.stem))
        gone = forgotten(unit)
    if state == "folded":
        keep_raw(site, path, gone)
        with site.writing() as unit:
            here = (Part.name == path.stem, Part.state == "folded")
            unit.session.execute(sa.update(Part).where(*here).values(state="archived"))
        state = "archived"
    if state == "archived":
        path.unlink()


def keep_raw(site: Site, path: Path, gone: Array) -> None:
    """Write the raw files of one spool file."""
    folder = places.raw_folder(site.runtime.instance)
    # By day over the whole file, because a name stands for one day of one file.
    whole = [p.batch for p in pieces(path)]
    if not whole or not sum(len(b) for b in whole):
        return
    batch = Batch(np.concatenate([b.records for b in whole]), whole[-1].words)
    mask = batch.registered & np.isin(batch.records["person"], gone)
    archive.blank(batch.records, mask)
    days, day = grouping.days_of(batch.records["at"], site.timezone)
    for number, which in enumerate(days):
        archive.write(folder, as_day(which), path.stem, batch.where(day == number))


def _say_progress(site: Site, at: dt.datetime, done: int) -> None:
    with site.reading() as unit:
        held = unit.session.scalar(sa.select(Progress.at))
    if held is None or done or at - held > IDLE:
        with site.writing() as unit:
            storing.set_progress(unit.session, at)


def drop_parts(unit: UnitOfWork, first: dt.date) -> None:
    """Forget the watermarks of archived files all of whose days lie before ``first``.

    Those that lost something stay: the figures of their days say so for good.
    """
    old = sa.or_(Part.last_day < grouping.as_number(first), Part.last_day.is_(None))
    archived = (Part.state == "archived", old, Part.folded_at < unit.now - dt.timedelta(days=2))
    whole = (Part.lost == 0, Part.killed.is_(False))
    unit.session.execute(sa.delete(Part).where(*archived, *whole))
