"""Log lines on standard error, each with the request or job it belongs to."""

from __future__ import annotations

import contextvars
import logging
import os
import sys
import traceback

#: The request id or job id of the current context; empty outside of both.
CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("keyun_log_context", default="")


class _Context(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.context = CONTEXT.get() or "-"
        return True


def without_text(error: BaseException) -> str:
    """What ``error`` was and where it happened, without its text: that may hold what a person typed."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"


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
