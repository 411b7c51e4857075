"""Export resources in the columns their importer reads."""

from __future__ import annotations

from keyun.content import content_exporter
from keyun.exchange import Exporter
from keyun_emergency.schemas import ResourceRow
from keyun_emergency.services import resource_type


def exporters() -> tuple[Exporter, ...]:
    """What this plugin can export."""
    return (content_exporter("resources", "应急科普资料", resource_type(), ResourceRow),)
