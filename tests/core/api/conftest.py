"""A site with published articles, and keys for programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from keyun.access import system
from keyun.accounts import create_token
from keyun.content import Content, create, publish
from keyun.site import Site
from keyun.testing import Clock, make_user
from keyun.uow import UnitOfWork

Write = Callable[..., Content]
KeyOf = Callable[..., dict[str, str]]


@pytest.fixture
def write(clock: Clock) -> Write:
    """``write(unit, title, region=…)`` publishes an article a second after the last one."""

    def write(unit: UnitOfWork, title: str, **values: Any) -> Content:
        clock.tick(dt.timedelta(seconds=1))
        unit.now = clock()
        data = {
            "title": title, "body": "正文", "category": "life", "source": "书", "voucher": "学会",
            "region": "511402",
        } | values  # fmt: skip
        item = create(system(), unit, unit.site.content_type("popsci.article"), data)
        return publish(system(), unit, item)

    return write


@pytest.fixture
def key_of() -> KeyOf:
    """``key_of(site, level=2)`` returns the header of a program that acts for a new user."""

    def key_of(site: Site, login: str = "program", **more: Any) -> dict[str, str]:
        with site.writing() as unit:
            user = make_user(unit, login, **more)
            return {"Authorization": f"Bearer {create_token(system(), unit, user, 'test')}"}

    return key_of
