"""The job that hands letters over: look, take from the bucket, claim, call, record.

Writing units are short, and nothing is called inside one. A worker may die between any two steps: before
the claim nothing has happened, after the record all is known, and in between the letter stays ``sending``
until its lease ends; then :mod:`keyun_notices.outbox.recovery` decides by what the provider promises.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from keyun.messages import TryLater, Uncertain, Undeliverable
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox import buckets, transitions
from keyun_notices.outbox.channels.protocol import (
    Channel,
    Later,
    Letter,
    Provider,
    Refused,
    Result,
    Unknown,
)
from keyun_notices.outbox.directory import bucket_of, channels
from keyun_notices.outbox.letters import Go, Hold, Verdict, judge
from keyun_notices.outbox.models import OutboxRow
from keyun_notices.outbox.recording import Sent, record, settle
from keyun_notices.outbox.recovery import recognises, recover
from keyun_notices.preferences.services import caps, next_day

log = logging.getLogger(__name__)
#: Letters looked at in one round of a channel.
LOOK = 50
#: How long one job goes on, in seconds; the next one follows within seconds.
LONGEST = 20.0
#: How long a verdict holds: a slow provider may take minutes for one round, and people refuse meanwhile.
GOOD_FOR = dt.timedelta(seconds=5)
#: How long letters to a robot wait that has no token left.
LANE_PAUSE = dt.timedelta(seconds=10)


def send(site: Site) -> None:
    """Hand over what is due, channel by channel in turn, until nothing moves or the time is up."""
    known = channels(site)
    recover(site)
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        if not sum(round_(site, known, channel) for channel in known.values()):
            return


def round_(site: Site, known: Mapping[str, Channel], channel: Channel) -> int:
    """One round of one channel; returns how many letters moved."""
    with site.reading() as unit:
        rows = transitions.due(unit, channel.name, LOOK)
        provider = _usable(unit, channel) if rows else None
        if provider is None:
            return 0
        verdicts = judge(unit, channel, rows)
    with site.writing() as unit:
        moved = settle(unit, known, [v for v in verdicts if not isinstance(v, Go)])
        goes, doubted = _repeatable(unit, channel, provider, [v for v in verdicts if isinstance(v, Go)])
        admitted = _admitted(unit, provider, goes)
        moved += doubted + settle(unit, known, [v for v in admitted if isinstance(v, Hold)])
    return moved + _hand_over(site, known, channel, provider, [v for v in admitted if isinstance(v, Go)])


def _usable(unit: UnitOfWork, channel: Channel) -> Provider | None:
    """The first provider that is not left alone; where each address has a limit of its own, the first."""
    for provider in channel.providers:
        if provider.lane or buckets.standing(unit, provider.name, provider.limit).is_open:
            return provider
    return None


def _repeatable(
    unit: UnitOfWork, channel: Channel, provider: Provider, goes: Sequence[Go]
) -> tuple[list[Go], int]:
    """Those that may go to ``provider``, and how many others moved.

    What another one may have taken waits for that one, and for as long as it recognises the key.
    """
    known = {p.name: p for p in channel.providers}
    good: list[Go] = []
    moved = 0
    for go in goes:
        row, first = go.row, known.get(go.row.provider)
        if row.owner is None:
            good.append(go)
        elif first is None or not recognises(first, row.begun_at or unit.now, unit.now):
            moved += transitions.left_behind(unit, row.id)
        elif first is provider:
            good.append(go)
        else:
            moved += transitions.held(unit, row.id, unit.now + LANE_PAUSE, f"{first.name} may have it")
    return good, moved


def _admitted(unit: UnitOfWork, provider: Provider, goes: Sequence[Go]) -> list[Verdict]:
    """Those for which there is a token; where each address has its own bucket, the others step aside."""
    lanes: dict[str, list[Go]] = {}
    for go in goes:
        lanes.setdefault(bucket_of(provider, go.letter.to), []).append(go)
    found: list[Verdict] = []
    for bucket, letters in lanes.items():
        n = buckets.take(unit, bucket, provider.limit, len(letters))
        found += letters[:n]
        if provider.lane:
            closed = buckets.standing(unit, bucket, provider.limit).closed_until
            until = closed or unit.now + LANE_PAUSE
            found += [Hold(g.row, until, "this address has a limit of its own") for g in letters[n:]]
    return found


def _hand_over(
    site: Site, known: Mapping[str, Channel], channel: Channel, provider: Provider, goes: Sequence[Go]
) -> int:
    """Claim, call and record, one request after the other; stops when the provider is at fault."""
    moved, sent, judged = 0, None, site.runtime.clock()
    for start in range(0, len(goes), provider.batch):
        part = goes[start : start + provider.batch]
        if site.runtime.clock() - judged > GOOD_FOR:
            part = _again(site, channel, part)
        with site.writing() as unit:
            if sent is not None and record(unit, known, sent):
                return moved
            claimed = claim(unit, channel, provider, part)
        moved += len(part)
        sent = exchange(site, claimed) if claimed.goes else None
    if sent is not None:
        with site.writing() as unit:
            record(unit, known, sent)
    return moved


def _again(site: Site, channel: Channel, part: Sequence[Go]) -> list[Go]:
    """Those that may still go, judged anew; the next round settles the others."""
    ids = [g.row.id for g in part]
    with site.reading() as unit:
        rows = unit.session.scalars(sa.select(OutboxRow).where(OutboxRow.id.in_(ids))).all()
        return [v for v in judge(unit, channel, rows) if isinstance(v, Go)]


def claim(unit: UnitOfWork, channel: Channel, provider: Provider, part: Sequence[Go]) -> Sent:
    """Take the letters of one request, but for those whose person has had enough for today."""
    # The letters before these may have taken minutes.
    now = unit.now
    ids = [g.row.id for g in part if not g.row.owner or recognises(provider, g.row.begun_at or now, now)]
    taken = transitions.claim(unit, ids, provider.name, provider.timeout)
    mine = [g for g in part if g.row.id in taken.ids]
    counted = [g for g in mine if _counts(g.row.begun_at, g)]
    allowed = caps(unit, [g.row.user_id or 0 for g in counted], unit.now)
    over = {g.row.id for g, may in zip(counted, allowed, strict=True) if not may}
    for number in over:
        transitions.released(unit, number, taken.owner, next_day(unit, unit.now), "the daily cap")
    return Sent(channel, provider, taken.owner, [g for g in mine if g.row.id not in over], [])


def _counts(begun_at: dt.datetime | None, go: Go) -> bool:
    """Whether it uses up a place of the day: the first attempt does, and the life-threat class never."""
    return begun_at is None and go.row.user_id is not None and not go.row.urgent


def exchange(site: Site, sent: Sent) -> Sent:
    """Call the provider, outside of any transaction."""
    letters = [g.letter for g in sent.goes]
    return Sent(sent.channel, sent.provider, sent.owner, sent.goes, _results(site, sent.provider, letters))


def _results(site: Site, provider: Provider, letters: Sequence[Letter]) -> Sequence[Result]:
    result: Result
    try:
        found = list(provider.send(site, letters))
        if len(found) == len(letters) and all(isinstance(r, Result) for r in found):
            return found
        result = Unknown(f"{provider.name} did not say what became of each letter")
    except Undeliverable as e:
        result = Refused(str(e))
    except Uncertain as e:
        result = Unknown(str(e))
    except TryLater as e:
        result = Later(str(e), whole=True)
    except Exception as e:
        # The text of a stranger's error may hold the address.
        log.error("provider %s failed with %s", provider.name, type(e).__name__)
        result = Unknown(f"{provider.name} failed with {type(e).__name__}")
    return [result] * len(letters)
