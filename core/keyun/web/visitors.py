"""Who asks, as far as counting needs it: the kind of program, the channel, and a pseudonym for one day."""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import os
import re
import secrets
import threading
from pathlib import Path

#: Cubot is a maker of phones.
ROBOT = re.compile(r"(?<!cu)bot\b|spider|crawl|slurp|archiver|preview|scrap|headless|monitor", re.I)
PROGRAM = re.compile(
    r"curl|wget|python|java/|okhttp|go-http|httpclient|libwww|axios|node-fetch|postman", re.I
)
PHONE = re.compile(r"Mobi|Android|iPhone|iPad|HarmonyOS", re.I)
WECHAT = re.compile("MicroMessenger", re.I)
SALT_BYTES = 16
ONE_DAY = dt.timedelta(days=1)


def agent_of(user_agent: str, purpose: str = "") -> str:
    """The kind of program that sends ``user_agent``; ``purpose`` is the header ``Sec-Purpose``."""
    if "prefetch" in purpose.lower():
        return "prefetch"
    kinds = ((ROBOT, "robot"), (PROGRAM, "program"), (WECHAT, "wechat"))
    for pattern, kind in kinds:
        if pattern.search(user_agent):
            return kind
    if PHONE.search(user_agent):
        return "phone"
    return "browser" if user_agent.startswith("Mozilla/") else "unknown"


def channel_of(path: str, agent: str) -> str:
    """The channel of a request whose view names none: ``api``, ``phone`` or ``web``."""
    if path.startswith("/api/"):
        return "api"
    return "phone" if agent in ("phone", "wechat") else "web"


class Visitors:
    """Pseudonyms under a salt that every process of this instance shares for one day.

    The next day's first visitor overwrites the salt; from then on nobody can tell who a pseudonym was.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._day = dt.date.min
        self._salt = b""

    def pseudonym(self, day: dt.date, address: str, user_agent: str) -> int:
        """The visitor from ``address`` with ``user_agent`` on ``day``: 64 bits, never 0.

        :raises OSError: when the salt can be neither read nor written.
        """
        said = f"{address}\n{user_agent}".encode("utf-8", "replace")
        digest = hashlib.blake2b(said, key=self._of(day), digest_size=8).digest()
        return int.from_bytes(digest, "little") or 1

    def _of(self, day: dt.date) -> bytes:
        with self._lock:
            # A request that began right before midnight takes the salt of the new day: it changes once.
            if self._day not in (day, day + ONE_DAY):
                self._salt = self._shared(day)
                self._day = day
            return self._salt

    def _shared(self, day: dt.date) -> bytes:
        """The salt that stands in the file for ``day`` or the next; a new one when it holds another day's."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            mark = day.isoformat().encode()
            held = f.read()
            known = (mark, (day + ONE_DAY).isoformat().encode())
            if len(held) == len(mark) + SALT_BYTES and held.startswith(known):
                return held[len(mark) :]
            salt = secrets.token_bytes(SALT_BYTES)
            f.seek(0)
            f.write(mark + salt)
            f.truncate()
            return salt
