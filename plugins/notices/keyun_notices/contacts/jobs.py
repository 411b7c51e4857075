"""Jobs of contacts: send a code, and drop what was typed and never confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyun.jobs import Job
from keyun_notices.contacts import joining

if TYPE_CHECKING:
    from keyun.site import Site

TIDY = "notices.contacts-tidy"
EVERY = 3600.0


def jobs() -> tuple[Job, ...]:
    """What the worker does for contacts; the code that was sent is forgotten with its job."""
    return (Job(joining.CODE_JOB, joining.send_code, keep=False), Job(TIDY, tidy, every=EVERY))


def tidy(site: Site) -> None:
    """Forget numbers that nobody confirmed."""
    with site.writing() as unit:
        joining.clean(unit)
