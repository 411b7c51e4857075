"""One generation: a process that builds the application once and forks everything that runs it.

What it forks, and forks again when it ends by itself, has exactly the code and the plugins that were
built here, whatever pip and the state file say by then.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyun import logs
from keyun.serving import candidate, record, web
from keyun.serving.backoff import Backoff

if TYPE_CHECKING:
    from flask import Flask

    from keyun.site import Site

log = logging.getLogger(__name__)
#: The environment variable that holds the task of a generation, as JSON.
VARIABLE = "KEYUN_SERVING_TASK"
#: How often a forked process looks whether its generation is still there.
ORPHAN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """What a generation is to build and run, and the descriptors it was given."""

    instance: str
    enabled: tuple[str, ...]
    generation: int
    workers: int
    threads: int
    jobs: bool
    listener: int
    report: int
    control: int

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """The environment of the process that takes the task."""
        return {**base, VARIABLE: json.dumps(asdict(self)), "KEYUN_INSTANCE": self.instance}


class Child:
    """A forked process that is forked again when it ends by itself."""

    def __init__(self, kind: str, run: Callable[[], None]) -> None:
        self.kind, self._run = kind, run
        self.pid = 0
        self._backoff = Backoff()

    def start(self) -> None:
        """Fork it unless it runs, or has to wait."""
        if self.pid or not self._backoff.may_start():
            return
        self._backoff.started()
        sys.stdout.flush()
        sys.stderr.flush()
        # A SIGTERM that comes before the child has its own handlers waits, or it would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._in_child())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))

    def _in_child(self) -> int:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        try:
            self._run()
        except SystemExit as e:
            return e.code if isinstance(e.code, int) else int(e.code is not None)
        except BaseException:
            log.exception("the %s process failed", self.kind)
            return 1
        finally:
            logging.shutdown()
        return 0

    def reap(self, ending: bool) -> None:
        """Take note of its end, which was asked for when ``ending``."""
        if not self.pid:
            return
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            pause = self._backoff.ended()
            code = os.waitstatus_to_exitcode(status)
            if ending and code in (0, -signal.SIGTERM):
                log.info("%s process %d has ended", self.kind, pid)
            else:
                log.error("%s process %d ended with code %d; pause of %.0f s", self.kind, pid, code, pause)
            self.pid = 0

    def signal(self, number: int) -> None:
        """Send a signal if it runs."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Host:
    """Builds, reports, waits for the word, then keeps its processes until it is told to end."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._ending = False

    def run(self) -> int:
        """The life of a generation; returns its exit code."""
        for descriptor in (self.task.listener, self.task.report, self.task.control):
            os.set_inheritable(descriptor, False)
        with candidate.in_background():
            report, site, app = candidate.build(
                Path(self.task.instance), self.task.enabled, self.task.generation
            )
            if site is None or app is None:
                self._tell("report", **asdict(report))
                return 1
            warm(app, site.runtime.instance / record.FOLDER / "templates")
        self._tell("report", **asdict(report))
        # The end of the file is the supervisor's end, or its no.
        if not os.read(self.task.control, 1):
            return 0
        _prepare_to_fork(site)
        self._watch(self._children(site, app))
        return 0

    def _children(self, site: Site, app: Flask) -> list[Child]:
        task = self.task

        def serve() -> None:
            try:
                web.serve(app, task.listener, task.workers, task.threads, lambda: self._tell_up("web"))
            finally:
                # Each web process comes by here as well, and writes down what it still holds.
                site.runtime.close()

        def work() -> None:
            self._tell_up("jobs")
            _work(site)

        return [Child("web", serve), *([Child("jobs", work)] if task.jobs else [])]

    def _watch(self, children: list[Child]) -> None:
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        told = False
        control = [self.task.control]
        while True:
            for child in children:
                child.reap(self._ending)
                if not self._ending:
                    child.start()
            if self._ending and not told:
                told = True
                for child in children:
                    child.signal(signal.SIGTERM)
            if told and not any(c.pid for c in children):
                return
            ready, _, _ = select.select([awake, *control], [], [], 1.0)
            if awake in ready:
                os.read(awake, 512)
            if self.task.control in ready and not os.read(self.task.control, 1):
                log.warning("the supervisor is gone; ending in order")
                control, self._ending = [], True

    def _end(self) -> None:
        self._ending = True

    def _tell_up(self, kind: str) -> None:
        self._tell("up", kind=kind, pid=os.getpid())

    def _tell(self, event: str, **facts: Any) -> None:
        """One line to the supervisor; a short one is written in one piece, whoever else writes."""
        line = json.dumps({"event": event, **facts}, ensure_ascii=False).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):
            while line:
                line = line[os.write(self.task.report, line) :]


def warm(app: Flask, cache: Path) -> None:
    """Do once what every process would do at its first request: compile templates, read the dictionary.

    Later changes of the template files on disk change nothing any more. The compiled form is kept in
    ``cache``, where it counts only for exactly the same source.
    """
    from jinja2 import FileSystemBytecodeCache, TemplateError

    from keyun.search import analyzer

    analyzer().words("科云")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(cache))
        # ``@slot/…`` are the originals of overridden templates; few are ever asked for.
        for name in app.jinja_env.list_templates(extensions=["html"]):
            try:
                if not name.startswith("@"):
                    app.jinja_env.get_template(name)
            except TemplateError as e:
                log.error("template %s cannot be used: %s", name, e)
    except OSError as e:
        log.warning("the compiled templates cannot be kept in %s (%s); pages start more slowly", cache, e)
        app.jinja_env.bytecode_cache = None


def _prepare_to_fork(site: Site) -> None:
    """Give back what must not cross a fork: connections and threads."""
    site.runtime.engine.dispose()
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(timeout=2.0)
            if thread.is_alive():
                log.warning("thread %r runs while processes are forked; it ends there", thread.name)
    # What is built so far is shared by all processes; a collection in one of them would copy its pages.
    gc.freeze()
    gc.enable()


def _work(site: Site) -> None:
    """Run jobs until SIGTERM, or until the generation is gone."""
    from keyun.jobs import Worker

    stop, parent = threading.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def mind_the_parent() -> None:
        while not stop.wait(ORPHAN_SECONDS):
            if os.getppid() != parent:
                stop.set()

    threading.Thread(target=mind_the_parent, name="mind-the-parent", daemon=True).start()
    Worker(site).run(stop)


def main() -> int:
    """Take the task from the environment and carry it out: ``python -m keyun.serving``."""
    logs.configure()
    # Building makes much and drops little: looking for garbage meanwhile is a tenth of the time.
    gc.disable()
    data = json.loads(os.environ.pop(VARIABLE))
    return Host(Task(**{**data, "enabled": tuple(data["enabled"])})).run()
