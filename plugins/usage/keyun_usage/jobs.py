"""Background work of usage."""

from __future__ import annotations

from keyun.access import system
from keyun.jobs import Job
from keyun.site import Site
from keyun_usage import erasing, folding


def jobs(fold_seconds: float) -> tuple[Job, ...]:
    """Fold, forget who left, and drop what is old."""
    return (
        Job("usage.fold", fold, every=fold_seconds),
        Job(erasing.FORGET_JOB, forget),
        Job("usage.sweep", sweep, every=3600.0),
    )


def fold(site: Site) -> None:
    """Bring what processes appended into the figures."""
    folding.fold_all(site)


def forget(site: Site) -> None:
    """Take whoever was erased out of months and raw records."""
    erasing.forget(system(), site)


def sweep(site: Site) -> None:
    """Drop raw records beyond the window."""
    erasing.sweep(site, site.plugins.settings("usage")["keep_days"])
