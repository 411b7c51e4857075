"""Remind reviewers once of what waits too long; the queue shows it as overdue without this job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyun.access import system
from keyun.accounts.models import User
from keyun.content.models import Content
from keyun.jobs import Job
from keyun.reviews import notify
from keyun.reviews.lifecycle import overdue
from keyun.reviews.models import Review
from keyun.reviews.rights import colleagues
from keyun.uow import UnitOfWork

if TYPE_CHECKING:
    from keyun.site import Site

NAME = "core.review-reminders"
SECONDS = 900.0
#: One run speaks of so many reviews, and asks so many people about one that nobody has claimed.
MOST = 100
MOST_ASKED = 10


def reminders() -> Job:
    """The repeated job."""
    return Job(NAME, _remind, every=SECONDS)


def _remind(site: Site) -> None:
    with site.writing() as unit:
        remind(unit)


def remind(unit: UnitOfWork) -> int:
    """Tell the reviewers of overdue reviews, each review once; returns how many. Called by the job alone."""
    query = (
        sa.select(Review, Content)
        .join(Content, Content.id == Review.content_id)
        .where(overdue(unit.now), Review.reminded_at.is_(None))
        .order_by(Review.due_at, Review.id)
        .limit(MOST)
    )
    told: dict[int, list[str]] = {}
    count = 0
    for review, item in unit.session.execute(query).all():
        mark = sa.update(Review).where(Review.id == review.id, Review.reminded_at.is_(None))
        done = unit.session.execute(
            mark.values(reminded_at=unit.now), execution_options={"synchronize_session": False}
        )
        if done.rowcount:  # type: ignore[attr-defined]
            count += 1
            for number in _reviewers(unit, review, item):
                told.setdefault(number, []).append(item.title)
    notify.overdue(unit, told)
    return count


def _reviewers(unit: UnitOfWork, review: Review, item: Content) -> list[int]:
    """Whoever claimed it, else those who could."""
    claimed = unit.session.get(User, review.reviewer_id) if review.reviewer_id is not None else None
    if claimed is not None and claimed.active:
        return [claimed.id]
    return [u.id for u in colleagues(system(), unit, review, item)[:MOST_ASKED]]
