"""Resources for programs."""

from __future__ import annotations

import uuid
from typing import Any

from keyun.access import public
from keyun.api import ApiBlueprint, item, narrowed, operation
from keyun.content import find
from keyun.web.context import actor, opened, reading
from keyun_emergency import schemas, services
from keyun_emergency.models import RESOURCE, Resource


def blueprint(name: str) -> ApiBlueprint:
    """``/api/v1/emergency``."""
    api = ApiBlueprint(name, __name__, description="应急科普 / Emergency know-how")
    operation(
        api,
        "/resources",
        resources,
        schemas.ResourcePageSchema,
        "应急科普资料 / Resources",
        query=schemas.ResourceArguments,
        lists=RESOURCE,
    )
    operation(
        api,
        "/resources/<uuid:public_id>",
        resource,
        schemas.ResourceDetailSchema,
        "一份应急科普资料 / One resource",
    )
    return api


@public
def resources(query: dict[str, Any]) -> dict[str, Any]:
    """Published resources, newest first, of one hazard or all."""
    found = services.resources(
        actor(), reading(), query["hazard"], query["after"], query["limit"], narrowed(RESOURCE)
    )
    return {"notice": services.NOTICE, "items": [_item(r) for r in found.items], "next": found.next}


@public
def resource(public_id: uuid.UUID) -> dict[str, Any]:
    """One resource with its text."""
    found = find(actor(), reading(), Resource, str(public_id))
    opened(found)
    return _item(found) | {"body": found.body, "notice": services.NOTICE}


def _item(found: Resource) -> dict[str, Any]:
    return item(found) | {"hazard": found.hazard, "source": found.source}
