"""Background work of the marketplace."""

from __future__ import annotations

from keyun.jobs import Job
from keyun.site import Site
from keyun_marketplace import matchmaking
from keyun_marketplace.services import MATCH_JOB


def jobs() -> tuple[Job, ...]:
    """Store matches of what was published, and merge the match index."""
    return (
        Job(MATCH_JOB, match),
        Job("marketplace.merge", merge, every=10.0),
    )


def match(site: Site, need_id: int | None = None, offer_id: int | None = None) -> None:
    """Find what fits a need, or the needs an offer fits, and store it for the inboxes."""
    with site.reading() as unit:
        found = (
            matchmaking.rows_for_need(unit, need_id)
            if need_id is not None
            else matchmaking.rows_for_offer(unit, offer_id or 0)
        )
    with site.writing() as unit:
        matchmaking.store(unit, found)


def merge(site: Site) -> None:
    """Bring what changed into the index files when enough of it has gathered."""
    matchmaking.merge_if_due(site)
