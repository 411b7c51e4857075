"""A site with articles whose health topics need two reviewers within a day, and people around them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import actor_for
from keyun.content import Content, create, publish
from keyun.jobs import JobRow
from keyun.reviews.models import Review
from keyun.site import Site
from keyun.testing import make_user
from keyun.testing.makers import MakeSite

ARTICLE = "popsci.article"
FORM = {
    "title": "柑橘黄龙病如何识别", "summary": "看叶看果", "body": "斑驳黄化", "category": "agriculture",
    "source": "《柑橘植保》", "voucher": "示范学会", "region": "511402",
}  # fmt: skip
RULES = [
    {"type": ARTICLE, "policy": "review-first"},
    {"type": ARTICLE, "where": {"category": ["health", "safety"]}, "policy": "review-first", "approvals": 2,
     "deadline_hours": 24},
]  # fmt: skip
CONFIG = {
    "content": {"review": RULES},
    "site": {"url": "https://kexie.example.org"},
    "mail": {"host": "localhost", "port": 1, "starttls": False, "sender": "cloud@example.org"},
}


@dataclass
class Desk:
    """A site and shortcuts to it."""

    site: Site

    def person(self, login: str, *roles: tuple[str, str]) -> Actor:
        with self.site.writing() as unit:
            mail = f"{login}@example.org"
            return actor_for(make_user(unit, login, level=2, roles=roles, email=mail))

    def reviewers(self, *logins: str, region: str = "511400") -> list[Actor]:
        return [self.person(login, ("reviewer", region)) for login in logins]

    def submit(self, author: Actor, **values: Any) -> str:
        """An article that waits; returns the public id of its review."""
        with self.site.writing() as unit:
            item = create(author, unit, self.site.types[ARTICLE], FORM | values)
            assert publish(author, unit, item).state == "submitted"
            review = unit.session.scalars(sa.select(Review).where(Review.content_id == item.id)).one()
            return review.public_id

    def review(self, number: str) -> Review:
        with self.site.reading() as unit:
            return unit.session.scalars(sa.select(Review).where(Review.public_id == number)).one()

    def item(self, number: str) -> Content:
        with self.site.reading() as unit:
            return unit.session.get_one(Content, self.review(number).content_id)

    def told(self) -> list[tuple[int, str]]:
        """Who is told what, so far."""
        with self.site.reading() as unit:
            rows: Iterable[JobRow] = unit.session.scalars(
                sa.select(JobRow).where(JobRow.name == "core.message").order_by(JobRow.created_at)
            )
            return [(r.payload["user_id"], r.payload["reason"]) for r in rows]


@pytest.fixture
def desk(make_site: MakeSite) -> Desk:
    return Desk(make_site("popsci", config=CONFIG))


@pytest.fixture
def author(desk: Desk) -> Actor:
    return desk.person("author", ("editor", "511400"))
