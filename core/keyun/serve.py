"""Supervise gunicorn and one background worker; replace both when the set of plugins changes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from keyun import logs
from keyun.errors import ConfigError
from keyun.plugins import state

log = logging.getLogger(__name__)
POLL_SECONDS = 0.5
GRACE_SECONDS = 30.0
#: A process that dies sooner than this after its start is restarted with a growing pause.
QUICK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    instance: Path
    host: str
    port: int
    workers: int
    threads: int
    jobs: bool


class Child:
    """One supervised process, started again when it ends by itself."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name, self.command, self.environment = name, command, environment
        self.process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._failures = 0
        self._not_before = 0.0

    def start(self) -> None:
        """Start it in a process group of its own, so that Ctrl-C reaches the supervisor alone."""
        self._started = time.monotonic()
        self.process = subprocess.Popen(self.command, env=self.environment, start_new_session=True)
        log.info("%s started as process %d", self.name, self.process.pid)

    def keep_alive(self) -> None:
        """Start it again when it has ended."""
        if self.process is not None and self.process.poll() is None:
            return
        now = time.monotonic()
        if self.process is not None:
            quick = now - self._started < QUICK_SECONDS
            self._failures = self._failures + 1 if quick else 0
            pause = min(2.0**self._failures - 1, 30.0)
            log.error(
                "%s ended with code %s; next start in %.0f s", self.name, self.process.returncode, pause
            )
            self._not_before, self.process = now + pause, None
        if now >= self._not_before:
            self.start()

    def signal(self, number: int) -> None:
        """Send a signal if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, until: float) -> None:
        """Wait for its end until the monotonic moment ``until``; then kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(until - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            log.error("%s does not end; killed", self.name)
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Runs until SIGTERM or SIGINT."""

    def __init__(self, plan: Plan, state_file: Path) -> None:
        self.state_file = state_file
        environment = os.environ | {"KEYUN_INSTANCE": str(plan.instance.resolve())}
        gunicorn = [
            sys.executable, "-m", "gunicorn", "keyun.wsgi:make()",
            "--bind", f"{plan.host}:{plan.port}",
            "--workers", str(plan.workers), "--worker-class", "gthread", "--threads", str(plan.threads),
            "--graceful-timeout", str(int(GRACE_SECONDS)), "--timeout", "120", "--keep-alive", "5",
            "--no-control-socket", "--log-level", "warning",
        ]  # fmt: skip
        self.web = Child("web server", gunicorn, environment)
        self.hands = (
            Child("background worker", [sys.executable, "-m", "keyun", "worker"], environment)
            if plan.jobs
            else None
        )
        self._stop = threading.Event()

    def run(self) -> int:
        """Start everything, watch it, and stop it in order; returns the exit code."""
        logs.configure()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        generation = self._generation(0)
        while not self._stop.is_set():
            self.web.keep_alive()
            if self.hands is not None:
                self.hands.keep_alive()
            self._stop.wait(POLL_SECONDS)
            newest = self._generation(generation)
            if newest != generation:
                log.info("plugins changed (generation %d); replacing processes", newest)
                generation = newest
                self.web.signal(signal.SIGHUP)
                self._replace_worker()
        return self._end()

    def _generation(self, known: int) -> int:
        try:
            return state.load(self.state_file).generation
        except ConfigError:
            log.exception("the plugin state cannot be read; what runs goes on")
            return known

    def _replace_worker(self) -> None:
        if self.hands is not None:
            self.hands.signal(signal.SIGTERM)
            self.hands.wait(time.monotonic() + GRACE_SECONDS)
            self.hands.start()

    def _end(self) -> int:
        children = [c for c in (self.web, self.hands) if c is not None]
        for child in children:
            child.signal(signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        for child in children:
            child.wait(until)
        return 0
