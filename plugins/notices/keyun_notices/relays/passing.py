"""A relay says that it passed a notice on, to about how many people. The last word counts, none is lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import Actor
from keyun.db import is_sqlite
from keyun.errors import Conflict, Invalid, NotFound
from keyun.uow import UnitOfWork
from keyun_notices.publishing.models import Notice
from keyun_notices.reach.population import bound
from keyun_notices.relays.addressing import concerns
from keyun_notices.relays.models import Passed, Relay, Statement

RELAY = "notices.relay"
#: How many different things one relay may say about one notice.
MOST_WORDS = 100
#: Nobody reaches more people than this, whatever is known about the place.
MOST_PEOPLE = 100_000_000
#: By how much a clock of a device may differ from ours.
SLACK = dt.timedelta(minutes=5)
PAGE, API, COMMAND = "page", "api", "command"
NONE_SUCH = "没有这条通知，或不在这个转达点的范围内。 (No such notice for this relay.)"
ENOUGH = "这条通知已更正过太多次，请联系工作人员。 (Corrected too often; ask the staff.)"


def notice_of(unit: UnitOfWork, relay: Relay, public_id: str) -> Notice:
    """The notice ``relay`` speaks of. Open: whoever holds the relay may read what it is to pass on.

    :raises NotFound: also when it exists and does not concern the relay.
    """
    found = unit.session.scalars(sa.select(Notice).where(Notice.public_id == public_id)).first()
    if found is None or not concerns(unit, relay, found):
        raise NotFound(NONE_SUCH)
    return found


def passed(
    actor: Actor,
    unit: UnitOfWork,
    relay: Relay,
    notice: Notice,
    headcount: int,
    at: dt.datetime | None = None,
    way: str = PAGE,
) -> Passed:
    """Note that ``relay`` passed ``notice`` on at ``at`` (now) to about ``headcount`` people.

    Open: whoever calls holds the relay (:func:`keyun_notices.relays.services.by_key`) or manages it.
    Saying the same again changes nothing; saying something else corrects it, and both stay on record.

    :raises Invalid: when the number or the moment cannot be.
    :raises NotFound: when the notice does not concern the relay.
    :raises Conflict: when it was corrected a hundred times.
    """
    if not concerns(unit, relay, notice):
        raise NotFound(NONE_SUCH)
    moment = at or unit.now
    _plausible(unit, relay, notice, headcount, moment)
    said = {"headcount": headcount, "at": moment}
    revision = unit.session.scalar(_say(unit, notice.id, relay.id, said, correct=at is not None))
    current = unit.session.get(Passed, (notice.id, relay.id), populate_existing=True)
    if revision is None or current is None:
        if current is not None and current.revision >= MOST_WORDS and current.headcount != headcount:
            raise Conflict(ENOUGH)
        assert current is not None  # a row that refused the change is there
        return current
    unit.session.add(
        Statement(
            notice_id=notice.id,
            relay_id=relay.id,
            revision=revision,
            headcount=headcount,
            at=moment,
            recorded_at=unit.now,
            way=way,
        )
    )
    unit.record("relay.passed", RELAY, relay.id, actor, notice=notice.id, headcount=headcount, way=way)
    return current


def _say(
    unit: UnitOfWork, notice_id: int, relay_id: int, said: Mapping[str, Any], *, correct: bool
) -> sa.sql.dml.ReturningInsert[int]:
    """The statement that decides whether anything new was said; without a moment only the number counts."""
    insert = sqlite.insert if is_sqlite(unit.session) else postgresql.insert
    row = insert(Passed).values(notice_id=notice_id, relay_id=relay_id, revision=1, **said)
    other = Passed.headcount != said["headcount"]
    if correct:
        other = sa.or_(other, Passed.at != said["at"])
    changed = row.on_conflict_do_update(
        index_elements=["notice_id", "relay_id"],
        set_={**said, "revision": Passed.revision + 1},
        where=sa.and_(other, Passed.revision < MOST_WORDS),
    )
    return changed.returning(Passed.revision)


def _plausible(unit: UnitOfWork, relay: Relay, notice: Notice, headcount: int, moment: dt.datetime) -> None:
    if moment > unit.now + SLACK:
        text = "转达时间不能在将来，请检查设备的时钟。 (The moment lies in the future.)"
        raise Invalid(text, {"at": [text]})
    if moment < notice.starts_at - SLACK:
        text = "转达时间早于通知的发布时间。 (The moment lies before the notice.)"
        raise Invalid(text, {"at": [text]})
    people(unit, relay.region, headcount)


def people(unit: UnitOfWork, region: str, headcount: int) -> None:
    """Stop when nobody can reach ``headcount`` people in ``region``.

    :raises Invalid: in words, with the number of residents and where it comes from.
    """
    if not 0 <= headcount <= MOST_PEOPLE:
        text = "人数请填 0 以上的整数。 (Give a number of people.)"
        raise Invalid(text, {"headcount": [text]})
    most = bound(unit, region)
    if most is not None and headcount > most.people:
        text = (
            f"人数 {headcount} 超过{unit.site.regions.name(most.region)}的常住人口 {most.people}"
            f"（{most.source}，{most.on}），请核对。"
            f" (More people than live there: {most.people} on {most.on}.)"
        )
        raise Invalid(text, {"headcount": [text]})


def said(unit: UnitOfWork, relay: Relay, notices: Sequence[Notice]) -> dict[int, Passed]:
    """What ``relay`` said last about each of ``notices``. Open like them."""
    query = sa.select(Passed).where(
        Passed.relay_id == relay.id, Passed.notice_id.in_([n.id for n in notices])
    )
    return {p.notice_id: p for p in unit.session.scalars(query)}


def statements(unit: UnitOfWork, relay: Relay, notice: Notice) -> Sequence[Statement]:
    """Everything ``relay`` said about ``notice``, in order. Open like it."""
    query = sa.select(Statement).where(Statement.relay_id == relay.id, Statement.notice_id == notice.id)
    return unit.session.scalars(query.order_by(Statement.revision)).all()
