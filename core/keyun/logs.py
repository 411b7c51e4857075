"""Log lines on standard error, each with the request or job it belongs to."""

from __future__ import annotations

import contextvars
import logging
import os
import sys

#: The request id or job id of the current context; empty outside of both.
CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("keyun_log_context", default="")


class _Context(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.context = CONTEXT.get() or "-"
        return True


def configure(level: str | None = None) -> None:
    """Send every log line of this process to standard error; level from ``KEYUN_LOG_LEVEL``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Context())
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s [%(process)d] [%(context)s] %(name)s: %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level or os.environ.get("KEYUN_LOG_LEVEL", "INFO"))
    # It tells each look at a version table.
    logging.getLogger("alembic").setLevel(logging.WARNING)
