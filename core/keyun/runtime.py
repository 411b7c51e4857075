"""What lives as long as the process: configuration, engine, clock and derived objects."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from keyun import config as configuration
from keyun.config import Config
from keyun.db import make_engine

T = TypeVar("T")
Clock = Callable[[], dt.datetime]


def wall_clock() -> dt.datetime:
    """The moment it is, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


class Runtime:
    """One process at work on one instance. Applications come and go inside it."""

    def __init__(self, config: Config, engine: sa.Engine | None = None, clock: Clock = wall_clock) -> None:
        self.config = config
        self.engine = engine or make_engine(config.database_url)
        self.clock = clock
        self.sessions: sessionmaker[Session] = sessionmaker(self.engine, expire_on_commit=False)
        self._derived: dict[str, Any] = {}
        self._ends: list[Callable[[], None]] = []
        self._lock = threading.RLock()

    @classmethod
    def open(cls, instance: Path, environ: Mapping[str, str] | None = None) -> Runtime:
        """Open the instance folder; it is created when missing."""
        instance.mkdir(parents=True, exist_ok=True)
        settings = configuration.load(instance) if environ is None else configuration.load(instance, environ)
        return cls(settings)

    @property
    def instance(self) -> Path:
        """The folder of this instance."""
        return self.config.instance

    def derived(self, name: str, make: Callable[[], T]) -> T:
        """Return the object called ``name`` that this process derives from SQL, making it once."""
        with self._lock:
            if name not in self._derived:
                self._derived[name] = make()
            found: T = self._derived[name]
            return found

    def forget(self, name: str) -> None:
        """Drop a derived object; the next use makes it anew."""
        with self._lock:
            self._derived.pop(name, None)

    def at_end(self, call: Callable[[], None]) -> None:
        """Run ``call`` when the process gives back what it holds: at an orderly end, not after a kill."""
        self._ends.append(call)

    def close(self) -> None:
        """Give back what the process holds."""
        ends, self._ends = self._ends, []
        for call in ends:
            call()
        self._derived.clear()
        self.engine.dispose()
