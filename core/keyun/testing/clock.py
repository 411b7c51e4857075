"""A clock for tests."""

from __future__ import annotations

import datetime as dt


class Clock:
    """Stands still until it is told to move; call it for the moment it shows."""

    def __init__(self, now: dt.datetime = dt.datetime(2027, 3, 1, 8, 0, tzinfo=dt.UTC)) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now

    def tick(self, by: dt.timedelta = dt.timedelta(seconds=1)) -> None:
        """Move on."""
        self.now += by
