"""gunicorn around an application that is built already, on a socket that somebody else holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

if TYPE_CHECKING:
    from flask import Flask

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
        "worker_class": "gthread",
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
