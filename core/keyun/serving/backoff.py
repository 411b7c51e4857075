"""A growing pause for what ends again and again soon after its start."""

from __future__ import annotations

import time
from collections.abc import Callable

#: What ends sooner than this after its start has failed.
QUICK_SECONDS = 10.0
LONGEST_SECONDS = 30.0


class Backoff:
    """No pause after the first end, then 1, 3, 7 … seconds for each quick one that follows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._started = 0.0
        self._not_before = 0.0

    def may_start(self) -> bool:
        """Whether the pause is over."""
        return self._clock() >= self._not_before

    def started(self) -> None:
        """Take note of a start."""
        self._started = self._clock()

    def ended(self) -> float:
        """Take note of an end; returns the seconds until the next start."""
        now = self._clock()
        quick = now - self._started < QUICK_SECONDS
        self._failures = self._failures + 1 if quick else 0
        pause = min(2.0 ** (self._failures - 1) - 1, LONGEST_SECONDS) if self._failures else 0.0
        self._not_before = now + pause
        return pause
