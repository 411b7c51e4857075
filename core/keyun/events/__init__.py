"""The append-only log of what happened, and how derived things follow it."""

from __future__ import annotations

from keyun.events.follow import Cursor, Follower, after, durable_cursor, move_cursor, peek
from keyun.events.models import Committed, Event

__all__ = ["Committed", "Cursor", "Event", "Follower", "after", "durable_cursor", "move_cursor", "peek"]
