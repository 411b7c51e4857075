"""Hold the listening socket for life, and let one generation of processes after the other serve on it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keyun import logs
from keyun.errors import ConfigError, PluginError
from keyun.serving import record
from keyun.serving.backoff import Backoff
from keyun.serving.candidate import Report
from keyun.serving.host import Task
from keyun.serving.record import Refusal, ServerRecord
from keyun.serving.watch import Watcher, Wish

log = logging.getLogger(__name__)
TICK_SECONDS = 0.1
#: An orderly stop of the server may take this long.
GRACE_SECONDS = 35.0
#: A replaced generation may finish the job that it holds for this long.
DRAIN_SECONDS = 3600.0
#: A candidate must say by then what came of it; a plugin may hang while it is imported.
BUILD_SECONDS = 120.0
#: The processes of an accepted generation must be up by then.
BOOT_SECONDS = 30.0
#: A refused change is tried again after this pause: what was in its way (a database) may be back.
RETRY_SECONDS = 60.0
BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    instance: Path
    host: str
    port: int
    workers: int
    threads: int
    jobs: bool
    strict: bool = False


def listen_on(host: str, port: int) -> socket.socket:
    """Bind the socket; connections are refused until somebody listens.

    :raises ConfigError: when the address cannot be had.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as e:
        raise _taken(host, port, e) from None
    return listener


def _taken(host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot listen on {host} port {port}: {error.strerror}; stop what uses it or choose another --port"
    )


class Generation:
    """One host process: a candidate first, then the one that serves, then one that drains."""

    def __init__(self, plan: Plan, wish: Wish, listener: socket.socket) -> None:
        self.plan, self.wish = plan, wish
        self.report: Report | None = None
        self.accepted = False
        self.processes: dict[str, list[int]] = {"web": [], "jobs": []}
        self.deadline = time.monotonic() + BUILD_SECONDS
        self.events, events = os.pipe()
        control, self._control = os.pipe()
        os.set_blocking(self.events, False)
        self._unread = b""
        task = Task(
            str(plan.instance.resolve()), wish.enabled, wish.generation,
            plan.workers, plan.threads, plan.jobs, listener.fileno(), events, control,
        )  # fmt: skip
        try:
            # A session of its own: Ctrl-C reaches the supervisor alone, and a kill reaches all of it.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "keyun.serving"],
                env=task.environment(os.environ),
                pass_fds=(task.listener, events, control),
                start_new_session=True,
            )
        except OSError:
            self.close()
            raise
        finally:
            os.close(events)
            os.close(control)

    def hear(self) -> None:
        """Read what the generation has told since the last time."""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self.events, 65536):
                self._unread += part
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            fact: dict[str, Any] = json.loads(line)
            if fact["event"] == "report":
                self.report = Report.of(fact)
            else:
                self.processes[fact["kind"]].append(fact["pid"])

    def accept(self) -> None:
        """Let it fork its processes."""
        self.accepted, self.deadline = True, time.monotonic() + BOOT_SECONDS
        # When it has died meanwhile, its end is noticed like any other.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._control, b"g")

    def is_up(self) -> bool:
        """Whether every process of it runs."""
        return len(self.processes["web"]) >= self.plan.workers and (
            not self.plan.jobs or bool(self.processes["jobs"])
        )

    def has_ended(self) -> bool:
        """Whether the host process is gone."""
        return self.process.poll() is not None

    def end(self, seconds: float) -> None:
        """Ask it to finish what it holds; after ``seconds`` it may be killed."""
        self.deadline = time.monotonic() + seconds
        self.process.terminate()

    def kill(self) -> None:
        """End all processes of it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Give the descriptors back; without the control pipe the host ends."""
        os.close(self.events)
        os.close(self._control)


class Supervisor:
    """Runs until SIGTERM or SIGINT."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.listener = listen_on(plan.host, plan.port)
        self.watcher = Watcher(plan.instance, safe=os.environ.get("KEYUN_SAFE_MODE") == "1")
        self.current: Generation | None = None
        self.candidate: Generation | None = None
        self.leaving: list[Generation] = []
        self.refused: Refusal | None = None
        #: The last change that was tried, and the one that served last.
        self._tried: Wish | None = None
        self._served: Wish | None = None
        self._retry_at = float("inf")
        self._backoff = Backoff()
        self._stop = False
        self._written: ServerRecord | None = None

    def run(self) -> int:
        """Start a generation, replace it whenever something changes, and end in order.

        :raises PluginError: with ``strict``, when the first generation has a faulted plugin.
        """
        logs.configure()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ask_to_stop())
        try:
            while not self._stop:
                self._look()
                self._hear()
                self._write()
        finally:
            self._end()
        return 0

    def _ask_to_stop(self) -> None:
        self._stop = True

    def _look(self) -> None:
        """Start a candidate when what is wanted has changed, or when nothing serves."""
        wish = self.watcher.look()
        is_new = wish != self._tried
        if self.candidate is not None:
            if is_new and not self.candidate.accepted:
                log.info("plugins changed again; the candidate is dropped")
                self._drop_candidate()
            return
        if is_new and wish.damage:
            self._tried = wish
            self._refuse(wish, (wish.damage,))
        elif is_new and self.current is not None and wish == self._served:
            log.info("generation %d is wanted again, and serves", wish.generation)
            self._tried, self.refused, self._retry_at = wish, None, float("inf")
        # What cannot be read wishes for nothing: there is nothing to try again until it is repaired.
        elif is_new or (time.monotonic() >= self._retry_at and not wish.damage):
            self._tried = wish
            self._try(wish)
        elif self.current is None and self._backoff.may_start() and (self._served or not wish.damage):
            # What served last comes back; a change that was refused stays refused.
            last = self._served or wish
            self._try(replace(wish, enabled=last.enabled, generation=last.generation, damage=""))

    def _try(self, wish: Wish) -> None:
        log.info("generation %d: building with %s", wish.generation, ", ".join(wish.enabled) or "no plugins")
        self._retry_at = float("inf")
        self._backoff.started()
        try:
            self.candidate = Generation(self.plan, wish, self.listener)
        except OSError as e:
            # Out of memory or of processes: no reason to end what serves.
            self._refuse(wish, (f"no new process can be started ({e.strerror or e})",))

    def _hear(self) -> None:
        """Wait a moment for news of the generations, and act on them."""
        everybody = [g for g in (self.current, self.candidate, *self.leaving) if g is not None]
        select.select([g.events for g in everybody], [], [], TICK_SECONDS)
        ended = {g for g in everybody if g.has_ended()}
        for generation in everybody:
            generation.hear()
        if self.candidate is not None:
            self._judge(self.candidate, self.candidate in ended)
        if self.current in ended:
            self._lost(self.current)
        for generation in [g for g in self.leaving if g in ended]:
            log.info("generation %d has finished", generation.wish.generation)
            generation.close()
            self.leaving.remove(generation)
        for generation in self.leaving:
            if time.monotonic() >= generation.deadline:
                log.error("generation %d does not end; killed", generation.wish.generation)
                generation.kill()

    def _judge(self, candidate: Generation, has_ended: bool) -> None:
        """Take the candidate, refuse it, or wait for more."""
        report, late = candidate.report, time.monotonic() >= candidate.deadline
        if report is not None and not candidate.accepted:
            serving = self.current.report if self.current is not None else None
            reasons = objections(report, serving, strict=self.plan.strict)
            if reasons and self.plan.strict and self._served is None:
                raise PluginError(reasons)
            if reasons:
                self._refuse(candidate.wish, reasons, report.faults)
            else:
                self._listen()
                candidate.accept()
        elif has_ended:
            code = candidate.process.returncode
            self._refuse(candidate.wish, (f"the new processes ended with code {code}; see the log",))
        elif candidate.is_up() or (late and candidate.processes["web"]):
            self._promote(candidate)
        elif late:
            stage = "has started" if candidate.accepted else "could be built"
            self._refuse(candidate.wish, (f"no process of it {stage} in time; see the log",))

    def _listen(self) -> None:
        """Let connections come in; calling it again changes nothing.

        :raises ConfigError: when somebody else, who had bound the address too, was quicker.
        """
        try:
            self.listener.listen(BACKLOG)
        except OSError as e:
            raise _taken(self.plan.host, self.plan.port, e) from None

    def _promote(self, candidate: Generation) -> None:
        """Let the candidate serve, and the one before it finish what it holds."""
        if self.current is not None:
            self.current.end(DRAIN_SECONDS)
            self.leaving.append(self.current)
        self.current, self.candidate = candidate, None
        self._served = candidate.wish
        if candidate.wish == self._tried:
            self.refused = None
        else:
            self._retry_at = time.monotonic() + RETRY_SECONDS
        for problems in candidate.report.faults.values() if candidate.report else ():
            for problem in problems:
                log.error("%s", problem)
        log.info("generation %d serves", candidate.wish.generation)

    def _refuse(
        self, wish: Wish, reasons: tuple[str, ...], plugins: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        """Leave the old processes alone and say why."""
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self.refused = Refusal(wish.generation, reasons, at, plugins or {})
        for reason in reasons:
            log.error("generation %d is not taken: %s", wish.generation, reason)
        self._drop_candidate()
        if self.current is None:
            log.error("nothing serves; next start in %.0f s", self._backoff.ended())
        else:
            self._retry_at = time.monotonic() + RETRY_SECONDS

    def _drop_candidate(self) -> None:
        if self.candidate is not None:
            self.candidate.kill()
            self.candidate.close()
            self.candidate = None

    def _lost(self, generation: Generation) -> None:
        """The host of the serving generation died; what it forked ends by itself."""
        pause = self._backoff.ended()
        code = generation.process.returncode
        log.error("the serving processes ended with code %d; next start in %.0f s", code, pause)
        generation.close()
        self.current = None

    def _write(self) -> None:
        """Tell the other processes how things stand, when that has changed."""
        serving = self.current
        report = serving.report if serving is not None else None
        processes = serving.processes if serving is not None else {}
        new = ServerRecord(
            pid=os.getpid(),
            generation=serving.wish.generation if serving is not None else 0,
            plugins=report.plugins if report else (),
            faults=report.faults if report else {},
            processes={k: tuple(p for p in pids if record.is_alive(p)) for k, pids in processes.items()},
            refused=self.refused,
        )
        if new != self._written:
            self._written = new
            try:
                record.write(self.plan.instance, new)
            except OSError as e:
                # A full disk must not end a site that serves.
                log.error("%s cannot be written: %s", record.path_of(self.plan.instance), e)

    def _end(self) -> None:
        """Let everybody finish what he holds, for a bounded time."""
        everybody = [g for g in (self.current, self.candidate, *self.leaving) if g is not None]
        for generation in everybody:
            generation.end(GRACE_SECONDS)
        for generation in everybody:
            try:
                generation.process.wait(max(generation.deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                log.error("generation %d does not end; killed", generation.wish.generation)
                generation.kill()
            generation.close()
        record.remove(self.plan.instance)
        self.listener.close()


def objections(report: Report, serving: Report | None, *, strict: bool = False) -> tuple[str, ...]:
    """Why a candidate is not taken; a plugin that serves now must not be lost to a fault."""
    if report.reasons:
        return report.reasons
    kept = set(report.faults) if strict else set(serving.plugins if serving is not None else ())
    return tuple(p for name, problems in report.faults.items() if name in kept for p in problems)
