"""Quiet hours: pure arithmetic on local time."""

from __future__ import annotations

import datetime as dt
import zoneinfo

DAY = 24 * 60


def is_quiet(minute: int, start: int, end: int) -> bool:
    """Whether ``minute`` of the day lies in the hours from ``start`` to ``end``, which may cross midnight."""
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


def after_quiet(now: dt.datetime, start: int, end: int, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """The first moment from ``now`` on that is not quiet in ``zone``; ``now`` itself when it is not.

    ``start`` and ``end`` are minutes of the local day; equal ones mean that no hour is quiet. Where the
    zone turns its clock, the hours are those that the clock shows.
    """
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    if start == end or not is_quiet(minute, start, end):
        return now
    day = local.date() if minute < end else local.date() + dt.timedelta(days=1)
    # Of an hour that the clock shows twice, the end lies in the same half as now.
    fold = local.fold if day == local.date() else 0
    ends = dt.datetime.combine(day, dt.time(end // 60, end % 60, fold=fold), zone)
    return max(ends.astimezone(dt.UTC), now)


def minutes(text: str) -> int:
    """``22:30`` as a minute of the day.

    :raises ValueError: for anything else.
    """
    moment = dt.time.fromisoformat(text)
    if len(text) != 5:
        raise ValueError(f"{text!r} is no time such as 22:30")
    return moment.hour * 60 + moment.minute


def clock(minute: int) -> str:
    """A minute of the day as people write it."""
    return f"{minute // 60:02}:{minute % 60:02}"
