"""Errors that reach a person: each says what happened, where, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = [
    "ConfigError",
    "Conflict",
    "DatabaseError",
    "Forbidden",
    "Invalid",
    "KeyunError",
    "NotFound",
    "PluginError",
    "Unauthenticated",
]


class KeyunError(Exception):
    """Base class of every error that Keyun raises on purpose.

    ``status`` is the HTTP status a shell answers with; the text is shown to the person as it is.
    """

    status = 400


class ConfigError(KeyunError):
    """The configuration cannot be used; the site does not start."""

    status = 500


class DatabaseError(KeyunError):
    """The database is missing, locked, too old or too new."""

    status = 503


class NotFound(KeyunError):
    """The record does not exist, or this actor may not know that it does."""

    status = 404


class Unauthenticated(KeyunError):
    """The key that came with the request opens nothing, or one is needed."""

    status = 401


class Forbidden(KeyunError):
    """The actor may not do this."""

    status = 403


class Conflict(KeyunError):
    """Somebody else changed the record first, or it is in the wrong state."""

    status = 409


class Invalid(KeyunError):
    """The input was refused; ``fields`` maps a field to its messages."""

    status = 422

    def __init__(self, message: str, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.fields: dict[str, list[str]] = {k: list(v) for k, v in (fields or {}).items()}


class PluginError(KeyunError):
    """One or more plugins cannot be loaded; every problem is named at once."""

    status = 500

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        lines = "\n".join(f"  - {p}" for p in self.problems)
        super().__init__(
            f"{len(self.problems)} plugin problem(s):\n{lines}\n"
            "Repair them with the commands named, or start the core alone with KEYUN_SAFE_MODE=1."
        )
