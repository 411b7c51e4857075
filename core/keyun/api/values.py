"""What the API says about an item of any type."""

from __future__ import annotations

from typing import Any

from flask import url_for

from keyun.content.fields import values
from keyun.content.models import Content
from keyun.web.context import site


def item(one: Content) -> dict[str, Any]:
    """What everybody may know of ``one``; its owner only as an organization."""
    kind = site().content_type(one.type)
    return {
        "id": one.public_id,
        "type": one.type,
        "title": one.title,
        "summary": one.summary,
        "language": one.language,
        "region": one.region,
        "region_name": site().regions.name(one.region),
        "organization": one.organization.name if one.organization else None,
        "voucher": one.voucher,
        "state": one.state,
        "version": one.version,
        "published_at": one.published_at,
        "changed_at": one.changed_at,
        "expires_at": one.expires_at,
        "page": url_for(kind.endpoint, public_id=one.public_id),
        "extensions": values(kind, one, "api"),
    }
