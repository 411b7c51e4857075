"""Every table of the core, so that one import fills the metadata."""

from __future__ import annotations

from keyun.accounts.models import Grant, Membership, Organization, Token, User
from keyun.content.models import Content, Revision
from keyun.events.models import CursorRow, Event
from keyun.files.models import Attachment, StoredFile
from keyun.jobs import JobRow
from keyun.regions.models import Region
from keyun.reviews.models import Review, ReviewComment, ReviewVerdict
from keyun.sites.models import SubSite

__all__ = [
    "Attachment",
    "Content",
    "CursorRow",
    "Event",
    "Grant",
    "JobRow",
    "Membership",
    "Organization",
    "Region",
    "Review",
    "ReviewComment",
    "ReviewVerdict",
    "Revision",
    "StoredFile",
    "SubSite",
    "Token",
    "User",
]
