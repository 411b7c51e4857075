"""What a verdict or an answer of a provider does to the rows, the bucket and the address."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keyun.uow import UnitOfWork
from keyun_notices.outbox import buckets, transitions
from keyun_notices.outbox.channels.protocol import (
    Channel,
    Gone,
    Handed,
    Later,
    Provider,
    Refused,
    Result,
    Unknown,
)
from keyun_notices.outbox.directory import bucket_of
from keyun_notices.outbox.failover import bury, next_channel
from keyun_notices.outbox.letters import Drop, Go, Hold, Verdict
from keyun_notices.outbox.models import FAILED, UNCERTAIN
from keyun_notices.outbox.recovery import recognises
from keyun_notices.preferences.services import collect

#: The first pause after a failed attempt, doubled with each further one, in seconds.
FIRST, LONGEST = 30.0, 3600.0
#: When a provider can be asked what became of a letter, it is asked after this time.
ASK_AFTER = dt.timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Sent:
    """The letters of one request under one claim, and what the provider answered."""

    channel: Channel
    provider: Provider
    owner: str
    goes: Sequence[Go]
    results: Sequence[Result]


def settle(unit: UnitOfWork, known: Mapping[str, Channel], verdicts: Sequence[Verdict]) -> int:
    """Hold and drop what does not go now; returns how many rows moved."""
    moved = 0
    for verdict in verdicts:
        if isinstance(verdict, Hold):
            moved += transitions.held(unit, verdict.row.id, verdict.until, verdict.reason)
        elif isinstance(verdict, Drop) and verdict.row.owner is not None:
            # It may have arrived: no other channel, and no digest.
            moved += transitions.given_up(unit, verdict.row.id, UNCERTAIN, verdict.reason)
        elif isinstance(verdict, Drop):
            dropped = transitions.given_up(unit, verdict.row.id, verdict.state, verdict.reason)
            moved += dropped
            row = verdict.row
            if dropped and verdict.fails_over:
                next_channel(unit, known, row)
            if dropped and verdict.digest and row.notice_id is not None:
                collect(unit, row.notice_id, [row.recipient_id])
    return moved


def record(unit: UnitOfWork, known: Mapping[str, Channel], sent: Sent) -> bool:
    """Write down what a provider answered; returns whether it is at fault and should be left alone."""
    trouble = False
    taken: dict[int, Handed] = {}
    works: set[str] = set()
    for go, result in zip(sent.goes, sent.results, strict=True):
        if isinstance(result, Later | Unknown):
            trouble |= _again(unit, known, sent, go, result)
            continue
        works.add(bucket_of(sent.provider, go.letter.to))
        if isinstance(result, Handed):
            taken[go.row.id] = result
        else:
            _failed(unit, known, sent, go, result)
    for bucket in sorted(works):
        buckets.works(unit, bucket)
    if taken:
        transitions.handed(unit, sent.provider.name, sent.owner, taken)
    return trouble


def _failed(
    unit: UnitOfWork, known: Mapping[str, Channel], sent: Sent, go: Go, result: Refused | Gone
) -> None:
    if isinstance(result, Gone):
        bury(unit, sent.channel, go.row, go.letter.to, result.reason)
    if transitions.ended(unit, go.row.id, sent.owner, FAILED, result.reason):
        next_channel(unit, known, go.row)


def _again(
    unit: UnitOfWork, known: Mapping[str, Channel], sent: Sent, go: Go, result: Later | Unknown
) -> bool:
    """A letter for another time, or whose fate is unknown; returns whether the provider is at fault."""
    if isinstance(result, Unknown):
        return _unknown(unit, sent, go, result)
    row, attempt = go.row, go.row.attempts + 1
    seconds = delay(row.key, attempt) if result.seconds is None else result.seconds
    at = unit.now + dt.timedelta(seconds=seconds)
    doubtful = row.owner is not None
    if result.whole:
        bucket = bucket_of(sent.provider, go.letter.to)
        if result.seconds is None:
            buckets.fails(unit, bucket, result.reason)
        else:
            buckets.close(unit, bucket, at, result.reason)
        transitions.again(unit, row.id, sent.owner, at, result.reason, counted=False, doubtful=doubtful)
        return sent.provider.lane is None
    if attempt < unit.site.plugins.settings("notices")["attempts"]:
        transitions.again(unit, row.id, sent.owner, at, result.reason, doubtful=doubtful)
    elif doubtful:
        transitions.ended(unit, row.id, sent.owner, UNCERTAIN, result.reason)
    elif transitions.ended(unit, row.id, sent.owner, FAILED, result.reason):
        next_channel(unit, known, row)
    return False


def _unknown(unit: UnitOfWork, sent: Sent, go: Go, result: Unknown) -> bool:
    """It may have been taken: repeat the key where it is recognised, ask where one can, else leave it."""
    row, provider = go.row, sent.provider
    if result.whole:
        buckets.fails(unit, bucket_of(provider, go.letter.to), result.reason)
    first = row.begun_at if row.owner is not None else None
    at = unit.now + dt.timedelta(seconds=delay(row.key, row.attempts + 1))
    if recognises(provider, first or unit.now - dt.timedelta(seconds=provider.timeout), at):
        transitions.again(unit, row.id, sent.owner, at, result.reason, doubtful=True)
    elif provider.ask is not None:
        transitions.asked_at(unit, row.id, sent.owner, unit.now + ASK_AFTER)
    else:
        transitions.ended(unit, row.id, sent.owner, UNCERTAIN, result.reason)
    return result.whole and provider.lane is None


def delay(key: str, attempt: int) -> float:
    """The pause before the next attempt, in seconds: doubled each time, spread over its upper half.

    The spread comes from a hash of the row, so it is the same in every process and every test.
    """
    whole: float = min(FIRST * 2 ** min(attempt - 1, 20), LONGEST)
    spread = int.from_bytes(hashlib.blake2b(f"{key} {attempt}".encode(), digest_size=4).digest()) / 2**32
    return whole * (0.5 + spread / 2)
