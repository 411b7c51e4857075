"""A site with channels over real local servers, people who chose them, and notices to send."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.access import system
from keyun.accounts import User
from keyun.jobs import Worker
from keyun.site import Site
from keyun.testing import Clock, MakeSite, make_user
from keyun.testing.mail import MailServer, mail_server
from keyun_notices.outbox.models import OutboxRow, WechatBinding
from keyun_notices.preferences.models import ChosenChannel
from keyun_notices.publishing.draft import Draft
from keyun_notices.publishing.models import Notice
from keyun_notices.publishing.services import cancel, publish

from . import gateways

#: Fast enough that the pace does not matter; tests of the pace say otherwise.
FAST = {"per_second": 10_000.0, "burst": 10_000}
PLACE = "511402"


@pytest.fixture
def sms() -> Iterator[gateways.Gateway]:
    with gateways.serve(gateways.SmsHandler) as running:
        yield running


@pytest.fixture
def wechat() -> Iterator[gateways.Gateway]:
    with gateways.serve(gateways.WechatHandler, dedupes=True) as running:
        yield running


@pytest.fixture
def hooks() -> Iterator[gateways.Gateway]:
    with gateways.serve(gateways.HookHandler) as running:
        yield running


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@dataclass
class Post:
    """A site with the outbox, and short words for what tests do with it."""

    site: Site
    clock: Clock
    people: dict[str, int] = field(default_factory=dict)

    def person(self, login: str, *channels: str, region: str = PLACE, **more: Any) -> int:
        """Somebody who chose ``channels`` and can be reached by all of them."""
        number = len(self.people)
        values = {"email": f"{login}@example.org", "phone": f"139000{number:05}"} | more
        with self.site.writing() as unit:
            user = make_user(unit, login, region=region, **values)
            for channel in channels:
                unit.session.add(ChosenChannel(user_id=user.id, channel=channel, chosen_at=unit.now))
            if "wechat" in channels:
                unit.session.add(WechatBinding(user_id=user.id, openid=f"open-{login}", bound_at=unit.now))
            self.people[login] = user.id
            return user.id

    def publish(self, key: str = "k1", **more: Any) -> int:
        """Publish a notice to everybody in the place."""
        values = {"topic": "general", "title": "暴雨提醒", "body": "请注意防范。", "regions": (PLACE,)}
        with self.site.writing() as unit:
            return publish(system(), unit, Draft(key, **values | {"audience": {"all": []}} | more)).id

    def cancel(self, key: str = "k1") -> int:
        """Cancel the thread of a notice."""
        with self.site.writing() as unit:
            return cancel(system(), unit, key).id

    def work(self) -> None:
        """Run every job that is due."""
        worker = Worker(self.site)
        worker.schedule()
        worker.drain()

    def later(self, **by: float) -> None:
        """Let time pass, and run what is due then."""
        self.clock.tick(dt.timedelta(**by))
        self.work()

    def rows(self, **where: Any) -> list[OutboxRow]:
        """The letters, oldest first."""
        with self.site.reading() as unit:
            query = sa.select(OutboxRow).filter_by(**where).order_by(OutboxRow.id)
            return list(unit.session.scalars(query))

    def states(self, **where: Any) -> Counter[str]:
        """How many letters are in each state."""
        return Counter(r.state for r in self.rows(**where))

    def state(self, login: str, channel: str) -> str:
        """The state of the one letter to somebody by a channel."""
        (row,) = self.rows(user_id=self.people[login], channel=channel)
        return row.state

    def change(self, model: Any, number: int, **values: Any) -> None:
        """Change a row behind the back of everybody."""
        with self.site.writing() as unit:
            unit.session.execute(sa.update(model).where(model.id == number).values(**values))


MakePost = Callable[..., Post]


@pytest.fixture
def make_post(make_site: MakeSite, clock: Clock) -> MakePost:
    """``make_post(sms={…}, wechat={…}, mail=server)``: a site with these channels."""
    # Ten in the morning, when nobody's hours are quiet.
    clock.now = dt.datetime(2027, 3, 1, 2, 0, tzinfo=dt.UTC)

    def make(**settings: Any) -> Post:
        mail_config = settings.pop("mail", None)
        config: dict[str, Any] = {
            "site": {"url": "https://cloud.example.org"},
            "plugin": {"notices": {"daily_cap": 50, **settings}},
        }
        if mail_config is not None:
            config["mail"] = mail_config
            config["plugin"]["notices"].setdefault("mail_per_second", 1000.0)
        return Post(make_site("notices", config=config), clock)

    return make


def sms_settings(gateway: gateways.Gateway, **more: Any) -> Mapping[str, Any]:
    """``[[plugin.notices.sms]]`` that leads to a gateway."""
    return {
        "url": f"{gateway.url}/send",
        "secret": "sms-secret",
        "callback_secret": "callback-secret",
        "template": "T1",
        "signature": "科云",
        "dead": ["DEAD"],
        "later": ["SLOW"],
        "busy": ["QUOTA"],
        **FAST,
        **more,
    }


def wechat_settings(gateway: gateways.Gateway, **more: Any) -> Mapping[str, Any]:
    """``[plugin.notices.wechat]`` that leads to a gateway."""
    return {
        "app_id": "wx1",
        "app_secret": "wechat-secret",
        "template": "TM1",
        "token": "wechat-token",
        "url": gateway.url,
        **FAST,
        **more,
    }


__all__ = ["Notice", "Post", "User", "sms_settings", "wechat_settings"]
