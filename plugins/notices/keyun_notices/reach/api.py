"""Reach for programs."""

from __future__ import annotations

import uuid

from keyun.access import requires
from keyun.api import ApiBlueprint, operation
from keyun.web.context import actor, reading
from keyun_notices.reach import schemas, services
from keyun_notices.reach.values import Reach


def add(api: ApiBlueprint) -> None:
    """Hang the operation below ``/api/v1/notices``."""
    operation(api, "/<uuid:public_id>/reach", reach, schemas.ReachSchema, "送达情况 / Reach of a notice")


@requires(services.READ)
def reach(public_id: uuid.UUID) -> Reach:
    """How many a notice was addressed to, handed over to, shown to and confirmed by, each kind apart."""
    unit = reading()
    return services.reach(actor(), unit, services.find(actor(), unit, str(public_id)))
