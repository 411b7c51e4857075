"""Content: items and their types, states, revisions, screening and review."""

from __future__ import annotations

from keyun.content.fields import Choice, ContentField, asked, conditions, given, merged, news, values
from keyun.content.handout import content_exporter
from keyun.content.intake import take_in
from keyun.content.models import Content, Revision
from keyun.content.opening import Opening
from keyun.content.render import markdown, plain
from keyun.content.services import (
    change,
    create,
    find,
    publish,
    published,
    visible,
    withdraw,
)
from keyun.content.types import MAX_BODY, MAX_SUMMARY, MAX_TITLE, ContentType, Draft, ReviewCheck, Verdict
from keyun.reviews.decisions import reject, release

__all__ = [
    "MAX_BODY",
    "MAX_SUMMARY",
    "MAX_TITLE",
    "Choice",
    "Content",
    "ContentField",
    "ContentType",
    "Draft",
    "Opening",
    "ReviewCheck",
    "Revision",
    "Verdict",
    "asked",
    "change",
    "conditions",
    "content_exporter",
    "create",
    "find",
    "given",
    "markdown",
    "merged",
    "news",
    "plain",
    "publish",
    "published",
    "reject",
    "release",
    "take_in",
    "values",
    "visible",
    "withdraw",
]
