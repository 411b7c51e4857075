"""Whether a notice is for a person: the one answer for pages, API, attachments, receipts and guessed ids.

A notice is for whoever stands in its frozen audience, and, while it is active, for whoever meets its
conditions now: people who registered or moved since. The frozen set keeps the old truth. The note about a
cancellation is for those only who had been addressed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from keyun.errors import Invalid
from keyun.events import Event
from keyun.uow import UnitOfWork
from keyun_notices.audience.attributes import Attribute
from keyun_notices.audience.expression import Expression, parse
from keyun_notices.audience.facts import Facts, holds
from keyun_notices.audience.places import Settled
from keyun_notices.audience.why import Clause, why
from keyun_notices.people.resident import resident
from keyun_notices.publishing import frozen
from keyun_notices.publishing.models import Addressed, Notice, NoticeRegion
from keyun_notices.publishing.services import conditions

#: Expressions that a process keeps read; more than are active at once.
MOST_KEPT = 4000
#: No transaction is open for longer; what one wrote may be older than what it did not see.
OVERLAP = dt.timedelta(hours=1)
LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
KEPT = "notices.expressions"
Kept = dict[tuple[int, int], Expression | None]


@dataclass(frozen=True, slots=True)
class Membership:
    """Why a person may open a notice, and whether it stands in his inbox.

    Who was not ``addressed`` when it was published meets its conditions now.
    """

    addressed: bool
    active: bool


def membership(unit: UnitOfWork, user_id: int, notice: Notice) -> Membership | None:
    """Why ``notice`` is for the user; None when it is not, or nobody has seen it yet."""
    if notice.published_at is None:
        return None
    stands = is_active(notice, unit.now)
    if was_addressed(unit, user_id, notice.id):
        return Membership(True, stands)
    if not stands or notice.kind == "cancel":
        return None
    now = Judge(unit, user_id).meets({notice.id: frozen_at(notice)})
    return Membership(False, True) if now else None


def was_addressed(unit: UnitOfWork, user_id: int, notice_id: int) -> bool:
    """Whether the user stands in the frozen audience."""
    here = sa.select(Addressed.notice_id).where(
        frozen.at(user_id),
        Addressed.notice_id == notice_id,
        frozen.holds(unit.session, Addressed.bits, user_id),
    )
    return unit.session.scalar(here) is not None


def is_active(notice: Notice, now: dt.datetime) -> bool:
    """Whether ``notice`` stands in inboxes."""
    runs = notice.expires_at is None or notice.expires_at > now
    return notice.state == "published" and notice.published_at is not None and runs


def frozen_at(notice: Any) -> dt.datetime:
    """No later than the moment the audience of a notice, or of a row with these columns, was frozen at."""
    moment: dt.datetime = max(notice.created_at, notice.starts_at)
    return moment


def explain(unit: UnitOfWork, user_id: int, notice: Notice) -> Clause | None:
    """The conditions of ``notice``, clause by clause, with what is known of the user now.

    None when they name something that no loaded plugin knows any more.
    """
    live = resident(unit.site)
    expression = expressions(unit, [notice.id])[notice.id]
    if expression is None:
        return None
    facts = live.facts(unit, user_id)
    return why(expression, facts, unit.site.regions, unit.today, live.attributes)


@dataclass(slots=True)
class Judge:
    """Whether one person who was not addressed meets notices now, asked for several.

    Whoever has not changed since a notice was frozen is not in it now either, so most questions
    need one look at the event log. His facts are read once, and only when something has changed.
    """

    unit: UnitOfWork
    user_id: int
    _changed: dt.datetime | None = field(default=None, init=False)
    _facts: Facts | None = field(default=None, init=False)

    def meets(self, notices: Mapping[int, dt.datetime]) -> set[int]:
        """Those of the notices, given with the moments they were frozen at, that he meets now."""
        if not notices:
            return set()
        if self._changed is None:
            self._changed = last_change(self.unit, self.user_id)
        later = [n for n, frozen_at in notices.items() if self._changed > frozen_at - OVERLAP]
        return self._meets(later) if later else set()

    def _meets(self, notice_ids: list[int]) -> set[int]:
        facts = self._facts = self._facts or resident(self.unit.site).facts(self.unit, self.user_id)
        if not facts.active:
            return set()
        settled = Settled(self.unit.site.regions, self.unit.today)
        read = expressions(self.unit, notice_ids)
        return {n for n, e in read.items() if e is not None and _holds(e, facts, settled)}


def last_change(unit: UnitOfWork, user_id: int) -> dt.datetime:
    """When something was last written into the log that decides about the person; else long ago."""
    live = resident(unit.site)
    # Putting the statement together takes longer than the answer.
    name = f"notices.last-change.{live.definition}"
    statement = unit.site.runtime.derived(name, lambda: _last_change(live.attributes.values()))
    found: dt.datetime | None = unit.session.connection().scalar(statement, {"user": user_id})
    return found or LONG_AGO


def _last_change(attributes: Iterable[Attribute]) -> sa.Select[Any]:
    user = sa.bindparam("user", type_=sa.Integer)
    about = [sa.and_(Event.subject_type == "user", Event.subject_id == user)]
    for attribute in attributes:
        for kind, subject in attribute.through.items():
            his = sa.select(subject).select_from(attribute.table).where(attribute.user == user)
            about.append(sa.and_(Event.subject_type == kind, Event.subject_id.in_(his)))
    return sa.select(sa.func.max(Event.at)).where(sa.or_(*about))


def _holds(expression: Expression, facts: Facts, settled: Settled) -> bool:
    try:
        return holds(expression, facts, settled)
    except Invalid:
        # A code of the notice is in no table any more.
        return False


def expressions(unit: UnitOfWork, notice_ids: Sequence[int]) -> dict[int, Expression | None]:
    """What one must meet for each notice; None where nobody here can read it.

    What was published never changes, so a process keeps what it has read.
    """
    live = resident(unit.site)
    runtime = unit.site.runtime
    kept: Kept = runtime.derived(KEPT, dict)
    if len(kept) > MOST_KEPT:
        # Another thread may be reading from the old one; it is not emptied beneath its hands.
        runtime.forget(KEPT)
        kept = runtime.derived(KEPT, dict)
    missing = [n for n in notice_ids if (live.definition, n) not in kept]
    for begin in range(0, len(missing), 500):
        for number, expression in _read(unit, missing[begin : begin + 500]):
            kept[live.definition, number] = expression
    return {n: kept.get((live.definition, n)) for n in notice_ids}


def _read(unit: UnitOfWork, notice_ids: list[int]) -> list[tuple[int, Expression | None]]:
    regions: dict[int, list[str]] = {}
    where = sa.select(NoticeRegion.notice_id, NoticeRegion.region).where(
        NoticeRegion.notice_id.in_(notice_ids), NoticeRegion.given
    )
    for number, code in unit.session.execute(where):
        regions.setdefault(number, []).append(code)
    query = sa.select(Notice.id, Notice.audience).where(Notice.id.in_(notice_ids))
    attributes = resident(unit.site).attributes
    found: list[tuple[int, Expression | None]] = []
    for number, audience in unit.session.execute(query):
        try:
            found.append((number, conditions(regions.get(number, ()), parse(audience, attributes))))
        except Invalid:
            found.append((number, None))
    return found
