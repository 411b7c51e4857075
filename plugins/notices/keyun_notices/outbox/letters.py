"""From rows of the outbox to letters, and what keeps a row from becoming one at this moment.

Asked right before letters are handed over: consent, preferences, quiet hours, the address and the notice
are those of now, and not of the moment at which the row was put.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from keyun.accounts import User
from keyun.content import plain
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.contacts.models import Contact
from keyun_notices.outbox.channels.protocol import Channel, Letter
from keyun_notices.outbox.models import (
    BOUNCED,
    DELIVERED,
    DROPPED,
    FAILED,
    HANDED,
    SENDING,
    UNCERTAIN,
    DeadEndpoint,
    OutboxRow,
)
from keyun_notices.preferences.audience import regional
from keyun_notices.preferences.fanout import Plan, usual_quiet
from keyun_notices.preferences.letter import digest_letter
from keyun_notices.preferences.models import Digest, DigestItem
from keyun_notices.preferences.quiet import after_quiet
from keyun_notices.preferences.services import due_many, optout_headers, optout_token, optout_url, plan
from keyun_notices.publishing.models import Notice

#: Characters of a notice that short channels carry; the rest stands behind the link.
SHORT = 500
TOLD = (SENDING, UNCERTAIN, HANDED, DELIVERED, BOUNCED)
CANCELLED = "已解除："


@dataclass(frozen=True, slots=True)
class Go:
    """It may go, as this letter."""

    row: OutboxRow
    letter: Letter


@dataclass(frozen=True, slots=True)
class Hold:
    """Not before ``until``."""

    row: OutboxRow
    until: dt.datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Never; ``fails_over`` when the person may still be reached by another channel.

    ``digest`` says that he wants it in a digest now.
    """

    row: OutboxRow
    reason: str
    fails_over: bool = False
    digest: bool = False
    state: str = DROPPED


Verdict = Go | Hold | Drop


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the recipients of some rows of one channel, by kind and id."""

    addresses: Mapping[tuple[str, int], str]
    dead: frozenset[str]
    moments: Mapping[int, dt.datetime]
    public_ids: Mapping[tuple[str, int], str]
    owners: Mapping[int, int]


def judge(unit: UnitOfWork, channel: Channel, rows: Sequence[OutboxRow]) -> list[Verdict]:
    """What may become of each of ``rows`` now."""
    numbers = {r.notice_id for r in rows if r.notice_id is not None}
    notices = {n.id: n for n in unit.session.scalars(sa.select(Notice).where(Notice.id.in_(numbers)))}
    facts = _facts(unit, channel, rows)
    plans = {n.id: _plan(unit, channel, n, rows) for n in notices.values()}
    verdicts: list[Verdict] = []
    for row in rows:
        if row.recipient_kind == "digest":
            verdicts.append(_digest(unit, channel, row, facts))
        elif row.notice_id is None or (notice := notices.get(row.notice_id)) is None:
            verdicts.append(Drop(row, "the notice is gone"))
        else:
            verdicts.append(_notice(unit, channel, row, notice, facts, plans[notice.id]))
    return verdicts


def _notice(
    unit: UnitOfWork, channel: Channel, row: OutboxRow, notice: Notice, facts: Facts, wishes: Plan
) -> Verdict:
    key = (row.recipient_kind, row.recipient_id)
    if notice.state != "published":
        return Drop(row, f"the notice is {notice.state}")
    if notice.expires_at is not None and notice.expires_at <= unit.now:
        return Drop(row, "the notice has expired")
    if row.recipient_kind == "account" and row.recipient_id not in wishes.at_once[channel.name]:
        later = row.recipient_id in wishes.digest
        return Drop(row, "it goes into a digest" if later else "the person does not want it", digest=later)
    if notice.kind == "cancel" and not _told(unit, row, notice):
        return Drop(row, "the person was not told what is over")
    if stop := _unreachable(unit, channel, row, key, facts):
        return stop
    return Go(row, _letter(unit.site, channel, row, notice, facts))


def _digest(unit: UnitOfWork, channel: Channel, row: OutboxRow, facts: Facts) -> Verdict:
    owner = facts.owners.get(row.recipient_id)
    found = digest_letter(unit, row.recipient_id, channel.name) if owner is not None else None
    if owner is None or found is None:
        return Drop(row, "nothing in the digest holds any more")
    key = ("account", owner)
    if stop := _unreachable(unit, channel, row, key, facts):
        return stop
    return Go(
        row,
        Letter(
            key=row.key,
            to=facts.addresses[key],
            title=found.title,
            text=found.text,
            link=found.link,
            optout=found.optout,
            one_click=_one_click(found.headers),
            topic="digest",
            kind="digest",
        ),
    )


def _unreachable(
    unit: UnitOfWork, channel: Channel, row: OutboxRow, key: tuple[str, int], facts: Facts
) -> Verdict | None:
    """Why the person cannot be reached by this channel now; None when he can."""
    if unit.now - row.created_at > channel.most_age:
        return Drop(row, "it waited too long", fails_over=True, state=FAILED)
    address = facts.addresses.get(key)
    if address is None:
        return Drop(row, "there is no address for this channel", fails_over=True)
    if dead_digest(unit.site, channel.name, address) in facts.dead:
        return Drop(row, "the address is dead", fails_over=True)
    moment = _quiet_until(unit, key, facts)
    if moment is not None and moment > unit.now and not row.urgent:
        return Hold(row, moment, "quiet hours")
    return None


def _quiet_until(unit: UnitOfWork, key: tuple[str, int], facts: Facts) -> dt.datetime | None:
    """Until when the recipient is not disturbed; contacts said nothing, so the usual hours hold."""
    if key[0] == "contact":
        return after_quiet(unit.now, *usual_quiet(unit), unit.site.timezone)
    return facts.moments.get(key[1]) if key[0] == "account" else None


def _facts(unit: UnitOfWork, channel: Channel, rows: Sequence[OutboxRow]) -> Facts:
    digests = [r.recipient_id for r in rows if r.recipient_kind == "digest"]
    query = sa.select(Digest.id, Digest.user_id).where(Digest.id.in_(digests))
    owners = {number: user_id for number, user_id in unit.session.execute(query)} if digests else {}
    ids: dict[str, set[int]] = {"account": set(owners.values())}
    for row in rows:
        if row.recipient_kind != "digest":
            ids.setdefault(row.recipient_kind, set()).add(row.recipient_id)
    addresses = {
        (kind, number): address
        for kind, numbers in ids.items()
        for number, address in (channel.reaches(unit, kind, sorted(numbers)) if numbers else {}).items()
    }
    marks = {dead_digest(unit.site, channel.name, a) for a in addresses.values()}
    known = sa.select(DeadEndpoint.digest).where(
        DeadEndpoint.channel == channel.name, DeadEndpoint.digest.in_(sorted(marks))
    )
    return Facts(
        addresses,
        frozenset(unit.session.scalars(known)) if marks else frozenset(),
        due_many(unit, sorted(ids["account"]), unit.now) if ids["account"] else {},
        _public_ids(unit, ids),
        owners,
    )


def _public_ids(unit: UnitOfWork, ids: Mapping[str, set[int]]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    models: tuple[tuple[str, type[User] | type[Contact]], ...] = (("account", User), ("contact", Contact))
    for kind, model in models:
        if numbers := ids.get(kind):
            query = sa.select(model.id, model.public_id).where(model.id.in_(sorted(numbers)))
            found |= {(kind, number): public for number, public in unit.session.execute(query)}
    return found


def _plan(unit: UnitOfWork, channel: Channel, notice: Notice, rows: Sequence[OutboxRow]) -> Plan:
    """Which of the accounts still want the notice at once by this channel, and which in a digest."""
    ids = [r.recipient_id for r in rows if r.notice_id == notice.id and r.recipient_kind == "account"]
    personal = not regional(notice.audience)
    return plan(unit, ids, notice.topic, (channel.name,), life=notice.life, personal=personal)


def _told(unit: UnitOfWork, row: OutboxRow, notice: Notice) -> bool:
    """Whether the recipient heard of the thread outside the site: only then its end is news to him."""
    thread = sa.select(Notice.id).where(Notice.thread == notice.thread, Notice.id != notice.id)
    sent = sa.select(OutboxRow.id).where(
        OutboxRow.notice_id.in_(thread),
        OutboxRow.recipient_kind == row.recipient_kind,
        OutboxRow.recipient_id == row.recipient_id,
        OutboxRow.state.in_(TOLD),
    )
    if unit.session.scalar(sent.limit(1)) is not None:
        return True
    if row.recipient_kind != "account":
        return False
    digested = sa.select(DigestItem.notice_id).where(
        DigestItem.user_id == row.recipient_id,
        DigestItem.notice_id.in_(thread),
        DigestItem.digest_id.is_not(None),
    )
    return unit.session.scalar(digested.limit(1)) is not None


def _letter(site: Site, channel: Channel, row: OutboxRow, notice: Notice, facts: Facts) -> Letter:
    key = (row.recipient_kind, row.recipient_id)
    token = ""
    if (public := facts.public_ids.get(key)) is not None:
        token = optout_token(site, row.recipient_kind, public, topic=notice.topic)
    root = str(site.runtime.config.site["url"])
    own = f"{root}/notices/inbox/{notice.public_id}" if root and row.recipient_kind == "account" else ""
    return Letter(
        key=row.key,
        to=facts.addresses[key],
        title=(CANCELLED if notice.kind == "cancel" else "") + notice.title,
        text=notice.body if channel.name == "mail" else plain(notice.body, SHORT),
        link=own or notice.link or "",
        optout=optout_url(site, token) if token else "",
        one_click=_one_click(optout_headers(site, token)) if token else "",
        topic=notice.topic,
        region=_place(site, notice.region),
        urgent=row.urgent,
        kind=row.recipient_kind,
    )


def _one_click(headers: Mapping[str, str]) -> str:
    return headers.get("List-Unsubscribe", "").strip("<>")


def _place(site: Site, code: str | None) -> str:
    return site.regions.name(code) if code is not None and code in site.regions else ""


def dead_digest(site: Site, channel: str, address: str) -> str:
    """What is kept of a dead address: a keyed digest, so that it is told again and cannot be guessed."""
    secret = site.runtime.derived("notices.outbox.key", site.runtime.config.secret_file.read_bytes)
    return hmac.new(secret, f"notices.dead {channel} {address}".encode(), hashlib.sha256).hexdigest()
