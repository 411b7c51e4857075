"""What the web server loads: ``gunicorn 'keyun.wsgi:make()'``."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

from flask import Flask

from keyun import logs
from keyun.app import create_app
from keyun.runtime import Runtime
from keyun.site import Site


def make() -> Flask:
    """Build the application of the instance that ``KEYUN_INSTANCE`` names (default ``./instance``)."""
    logs.configure()
    runtime = Runtime.open(Path(os.environ.get("KEYUN_INSTANCE", "instance")))
    atexit.register(runtime.close)
    safe = os.environ.get("KEYUN_SAFE_MODE") == "1"
    return create_app(Site.open(runtime, enabled=() if safe else None))
