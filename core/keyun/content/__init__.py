"""Content: items and their types, states, revisions, screening and review."""

from __future__ import annotations

from keyun.content.intake import take_in
from keyun.content.models import Content, Revision
from keyun.content.render import markdown, plain
from keyun.content.services import (
    change,
    create,
    find,
    publish,
    published,
    reject,
    release,
    visible,
    withdraw,
)
from keyun.content.types import ContentType, Draft, Verdict

__all__ = [
    "Content",
    "ContentType",
    "Draft",
    "Revision",
    "Verdict",
    "change",
    "create",
    "find",
    "markdown",
    "plain",
    "publish",
    "published",
    "reject",
    "release",
    "take_in",
    "visible",
    "withdraw",
]
