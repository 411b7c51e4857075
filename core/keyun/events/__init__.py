"""The append-only log of what happened, and how derived things follow it."""

from __future__ import annotations

from keyun.events.follow import (
    Cursor,
    Follower,
    Lag,
    after,
    durable_cursor,
    head,
    lag_behind,
    move_cursor,
    peek,
)
from keyun.events.models import Committed, Event

__all__ = [
    "Committed",
    "Cursor",
    "Event",
    "Follower",
    "Lag",
    "after",
    "durable_cursor",
    "head",
    "lag_behind",
    "move_cursor",
    "peek",
]
