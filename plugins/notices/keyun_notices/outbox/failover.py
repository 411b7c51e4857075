"""What follows a letter that failed for good: the next channel, and the end of a dead address."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.db import is_sqlite
from keyun.uow import UnitOfWork
from keyun_notices.outbox.channels.protocol import Channel
from keyun_notices.outbox.letters import dead_digest
from keyun_notices.outbox.models import DeadEndpoint, OutboxRow
from keyun_notices.outbox.services import Delivery, put
from keyun_notices.preferences.audience import regional
from keyun_notices.preferences.services import wanted
from keyun_notices.publishing.models import Notice


def next_channel(unit: UnitOfWork, known: Mapping[str, Channel], row: OutboxRow) -> str | None:
    """Put the notice into the next channel that the person wants and has; returns which, if there is one.

    Digests go by all their channels from the start, and so does the life-threat class.
    """
    notice = unit.session.get(Notice, row.notice_id) if row.notice_id is not None else None
    if notice is None or row.urgent or row.channel not in known:
        return None
    names = list(known)
    for name in names[names.index(row.channel) + 1 :]:
        if row.recipient_kind not in known[name].kinds or not _wants(unit, known[name], row, notice):
            continue
        if put(unit, [Delivery(notice.id, row.recipient_kind, row.recipient_id, name)]):
            return name
    return None


def _wants(unit: UnitOfWork, channel: Channel, row: OutboxRow, notice: Notice) -> bool:
    number = row.recipient_id
    if row.recipient_kind == "account":
        personal = not regional(notice.audience)
        if not wanted(unit, [number], notice.topic, channel.name, notice.life, personal=personal):
            return False
    address = channel.reaches(unit, row.recipient_kind, [number]).get(number)
    return address is not None and not is_dead(unit, channel.name, address)


def is_dead(unit: UnitOfWork, channel: str, address: str) -> bool:
    """Whether a provider called ``address`` dead not long ago."""
    return unit.session.get(DeadEndpoint, (channel, dead_digest(unit.site, channel, address))) is not None


def bury(unit: UnitOfWork, channel: Channel, row: OutboxRow, address: str, reason: str) -> None:
    """Note that ``address`` is dead, and let the channel remove it."""
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(DeadEndpoint)
    mark = dead_digest(unit.site, channel.name, address)
    noted = insert.values(channel=channel.name, digest=mark, reason=reason[:200], at=unit.now)
    unit.session.execute(noted.on_conflict_do_nothing())
    kind, number = row.recipient_kind, row.recipient_id
    if kind == "digest":
        kind, number = "account", row.user_id or 0
    channel.forget(unit, kind, number, address)


def revive(unit: UnitOfWork, channel: str, address: str) -> None:
    """The address works again: whoever has it said so himself."""
    here = (DeadEndpoint.channel == channel, DeadEndpoint.digest == dead_digest(unit.site, channel, address))
    unit.session.execute(sa.delete(DeadEndpoint).where(*here))
