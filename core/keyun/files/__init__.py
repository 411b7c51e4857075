"""Files that belong to content of any type: kept once, judged by its bytes, shown like the item.

*When to use it*: pictures and documents of an item. *When not*: what is derived from the database.
"""

from __future__ import annotations

from keyun.files.models import Attachment
from keyun.files.receiving import Received, receive
from keyun.files.services import attach, attachments, describe, detach

__all__ = ["Attachment", "Received", "attach", "attachments", "describe", "detach", "receive"]
