"""Background work of the resident people."""

from __future__ import annotations

from keyun.jobs import Job
from keyun.site import Site
from keyun_notices.people import upkeep


def jobs() -> tuple[Job, ...]:
    """Save the people for processes that start later."""
    return (Job("notices.people", save, every=10.0, keep=False),)


def save(site: Site) -> None:
    """Bring what changed into the file when enough of it has gathered."""
    upkeep.save_if_due(site)
