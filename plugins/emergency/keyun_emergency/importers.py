"""Import resources. Rows are known by ``external_id``: importing again changes, never doubles."""

from __future__ import annotations

from collections.abc import Sequence

from keyun.access import Actor
from keyun.content import take_in
from keyun.exchange import Importer, Row, Written
from keyun.uow import UnitOfWork
from keyun_emergency.models import RESOURCE
from keyun_emergency.schemas import ResourceRow
from keyun_emergency.services import resource_type


def importers() -> tuple[Importer, ...]:
    """What this plugin can import."""
    return (Importer("resources", "应急科普资料", ResourceRow, write, "core.import.run", type=RESOURCE),)


def write(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk; a row without source or voucher comes back as an error."""
    return take_in(actor, unit, resource_type(), rows)
