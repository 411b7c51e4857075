"""People who chose something, and a notice on its whole way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from keyun.access import system
from keyun.accounts import User
from keyun.jobs import Worker
from keyun.site import Site
from keyun.testing import Clock, MakeSite, make_user
from keyun.testing.mail import MailServer, mail_server
from keyun_notices.preferences.services import Wish, change
from keyun_notices.preferences.ways import ways
from keyun_notices.publishing.draft import Draft
from keyun_notices.publishing.services import cancel, publish

REGION = "511402"
URL = "https://cloud.example.org"


@dataclass
class World:
    """A site with a mail server, and verbs for what people and senders do."""

    site: Site
    clock: Clock
    mail: MailServer

    def person(self, login: str, wish: Wish | None = None, **more: Any) -> User:
        """An account with an address, and what it wants."""
        with self.site.writing() as unit:
            user = make_user(unit, login, email=f"{login}@example.org", **{"region": REGION} | more)
            if wish is not None:
                change(system(), unit, user, wish, ways(self.site))
        return user

    def wants(self, user: User, wish: Wish) -> None:
        """Change one's mind."""
        with self.site.writing() as unit:
            change(system(), unit, user, wish, ways(self.site))

    def publish(self, ikey: str, **draft: Any) -> str:
        """Publish a notice for everybody of a region; returns its public id."""
        given: Mapping[str, Any] = {"title": f"通知 {ikey}", "regions": (REGION,), "topic": "general"} | draft
        with self.site.writing() as unit:
            return publish(system(), unit, Draft(ikey, **given)).public_id

    def cancel(self, ikey: str) -> str:
        """End a thread."""
        with self.site.writing() as unit:
            return cancel(system(), unit, ikey).public_id

    def work(self) -> None:
        """Let the worker do everything that is due."""
        worker = Worker(self.site)
        worker.schedule()
        worker.drain()

    def subjects(self, login: str) -> list[str]:
        """What the person found in the mailbox, oldest first."""
        return [m["Subject"] for m in self.letters(login)]

    def letters(self, login: str) -> list[Any]:
        """The mails of a person, oldest first."""
        return [m for m in self.mail.received if m["To"] == f"{login}@example.org"]

    def texts(self, login: str) -> list[str]:
        """The words of all mails of a person."""
        return [m.get_body(("plain",)).get_content() for m in self.letters(login)]


MakeWorld = Callable[..., World]


@pytest.fixture
def world(make_site: MakeSite, clock: Clock) -> Iterable[World]:
    """A site whose mails arrive at once."""
    with mail_server() as mail:
        config = {
            "mail": mail.config,
            "site": {"url": URL},
            "plugin": {"notices": {"mail_per_second": 1000.0}},
        }
        yield World(make_site("notices", "popsci", config=config), clock, mail)


@pytest.fixture
def names() -> Callable[[], str]:
    """Keys that were not used before."""
    numbers = itertools.count()
    return lambda: f"key-{next(numbers)}"
