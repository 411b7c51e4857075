"""gunicorn around an application that is built already, on a socket that somebody else holds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

if TYPE_CHECKING:
    from flask import Flask

#: How long a process without a free thread leaves new connections to the others.
OTHERS_FIRST_SECONDS = 0.02
#: How long a web process may finish the requests it holds.
GRACE_SECONDS = 30


class Preloaded(BaseApplication):  # type: ignore[misc]
    """The built application with its settings; every forked worker serves exactly this object."""

    def __init__(self, app: Flask, settings: dict[str, Any]) -> None:
        self.app, self.settings = app, settings
        super().__init__()

    def load_config(self) -> None:
        """Take the settings as they are; no file and no command line is read."""
        for key, value in self.settings.items():
            self.cfg.set(key, value)

    def load(self) -> Flask:
        """The application."""
        return self.app


class FairWorker(ThreadWorker):  # type: ignore[misc]
    """A web process that leaves new connections to the others while all its threads are busy.

    All of them wait on one socket. Whoever wakes first would take a whole burst of connections, and keep
    them as long as they live, while another process has nothing to do.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._busy = 0
        self._not_before = 0.0

    def enqueue_req(self, conn: Any) -> None:
        """Count what the threads have to do."""
        self._busy += 1
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Count what they have done; called by the same thread as :meth:`enqueue_req`."""
        self._busy -= 1
        super().finish_request(conn, fs)

    def accept(self, listener: Any) -> None:
        """Take one connection, and then let the others go first while there is no thread for more."""
        super().accept(listener)
        if self._busy >= self.cfg.threads:
            self._not_before = time.monotonic() + OTHERS_FIRST_SECONDS
            self.set_accept_enabled(False)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Called in each turn of the loop; what keeps the threads busy also keeps it turning."""
        waits = self._busy >= self.cfg.threads and time.monotonic() < self._not_before
        super().set_accept_enabled(enabled and not waits)


class Master(Arbiter):  # type: ignore[misc]
    """A gunicorn master that ends in order when the process that started it is gone."""

    def __init__(self, app: Preloaded) -> None:
        self._parent = os.getppid()
        super().__init__(app)

    def manage_workers(self) -> None:
        """Called about once a second, and after every signal."""
        if os.getppid() != self._parent:
            raise StopIteration
        super().manage_workers()


def serve(app: Flask, listener: int, workers: int, threads: int, started: Callable[[], None]) -> None:
    """Serve until SIGTERM; ``started`` is called in each worker when it begins to accept."""
    settings: dict[str, Any] = {
        "bind": f"fd://{listener}",
        "workers": workers,
        "worker_class": FairWorker,
        "threads": threads,
        "graceful_timeout": GRACE_SECONDS,
        "timeout": 120,
        "keepalive": 5,
        "control_socket_disable": True,
        "loglevel": "warning",
        "preload_app": True,
        "post_worker_init": lambda _worker: started(),
    }
    Master(Preloaded(app, settings)).run()
