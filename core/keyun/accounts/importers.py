"""Import organizations and users."""

from __future__ import annotations

from keyun.exchange.types import Importer


def importers() -> tuple[Importer, ...]:
    """What the core can import."""
    return ()
