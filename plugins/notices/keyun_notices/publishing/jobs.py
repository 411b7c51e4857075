"""Background work: what was scheduled begins, and files nobody needs go."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from keyun.errors import KeyunError
from keyun.jobs import Job
from keyun.site import Site
from keyun_notices.publishing import files, leaving, services
from keyun_notices.publishing.models import Notice

log = logging.getLogger(__name__)
MOST_DUE = 200


def jobs() -> tuple[Job, ...]:
    """Start a notice at its moment, start what was missed, and tidy up."""
    return (
        Job(services.START, start),
        Job("notices.sweep", sweep, every=30.0),
        Job("notices.forget", forget, every=600.0),
        Job("notices.files", sweep_files, every=86_400.0),
    )


def start(site: Site, notice_id: int) -> None:
    """Publish a scheduled notice; a second run finds nothing to do."""
    with site.writing() as unit:
        services.start(unit, notice_id)


def sweep(site: Site) -> None:
    """Start every scheduled notice whose moment has come: also those whose own job was lost."""
    with site.reading() as unit:
        due = sa.select(Notice.id).where(Notice.state == "scheduled", Notice.starts_at <= unit.now)
        waiting = unit.session.scalars(due.order_by(Notice.starts_at, Notice.id).limit(MOST_DUE)).all()
    for notice_id in waiting:
        try:
            start(site, notice_id)
        except KeyunError as e:
            # Such as an attribute whose plugin is off; the others must not wait for it.
            log.error("notice %d cannot start: %s", notice_id, e)


def forget(site: Site) -> None:
    """Clear people from frozen audiences who were erased while this plugin was off."""
    with site.writing() as unit:
        leaving.catch_up(unit)


def sweep_files(site: Site) -> None:
    """Remove attachments that no notice names."""
    files.sweep(site)
