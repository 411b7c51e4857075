"""A site with precise push, people in three counties, and staff who may send."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from keyun.access import Actor, system
from keyun.accounts import User, actor_for
from keyun.site import Site
from keyun.testing import Clock, MakeSite, make_user
from keyun.uow import UnitOfWork

#: Two counties of one prefecture, and one of another prefecture of the same province.
DONGPO, DANLENG, JIANYANG = "511402", "511424", "510185"
MEISHAN, SICHUAN = "511400", "510000"


@dataclass
class Push:
    """A site with the plugin, and shortcuts that go through its services."""

    site: Site
    clock: Clock
    people: dict[str, int] = field(default_factory=dict)

    def person(self, login: str, **more: Any) -> User:
        """An account; a region, level and roles as :func:`keyun.testing.make_user` takes them."""
        with self.site.writing() as unit:
            user = make_user(unit, login, **{"region": DONGPO, **more})
        self.people[login] = user.id
        return user

    def persons(self, *logins: str, **more: Any) -> None:
        """Several accounts that have the same in common."""
        for login in logins:
            self.person(login, **more)

    def actor(self, login: str) -> Actor:
        """The actor of ``login`` as he is now."""
        with self.site.reading() as unit:
            return actor_for(unit.session.get_one(User, self.people[login]))

    def change(self, login: str, **values: Any) -> None:
        """Change an account, with its event."""
        with self.site.writing() as unit:
            user = unit.session.get_one(User, self.people[login])
            for name, value in values.items():
                setattr(user, name, value)
            unit.record("user.changed", "user", user.id, system())

    def logins(self, ids: Iterable[int]) -> set[str]:
        """The log-in names of user ids."""
        wanted = set(ids)
        return {login for login, number in self.people.items() if number in wanted}

    def publish(self, ikey: str = "n1", by: Actor | None = None, **values: Any) -> Any:
        """Publish a notice to everybody in Meishan, unless told otherwise; returns its row."""
        from keyun_notices.publishing.draft import Draft
        from keyun_notices.publishing.services import publish

        given = {"title": f"通知 {ikey}", "body": "请查收。", "regions": (MEISHAN,), **values}
        with self.site.writing() as unit:
            return publish(by or system(), unit, Draft(ikey, **given))

    def cancel(self, which: str, by: Actor | None = None, **values: Any) -> Any:
        """Cancel the notice with this key; returns the note."""
        from keyun_notices.publishing.services import cancel

        with self.site.writing() as unit:
            return cancel(by or system(), unit, which, **values)

    def notice(self, ikey: str) -> Any:
        """The row of this key as it is now."""
        import sqlalchemy as sa

        from keyun_notices.publishing.models import Notice

        with self.site.reading() as unit:
            return unit.session.scalars(sa.select(Notice).where(Notice.ikey == ikey)).one()

    def addressed(self, ikey: str) -> set[str]:
        """The log-in names in the frozen audience of the notice with this key."""
        from keyun_notices.publishing.services import addressed

        with self.site.reading() as unit:
            return self.logins(addressed(unit, self.notice(ikey)))

    def inbox(self, login: str) -> list[str]:
        """The keys in the inbox of ``login``, newest first."""
        from keyun_notices.inbox.services import inbox

        with self.site.reading() as unit:
            return [i.notice.ikey for i in inbox(self.actor(login), unit, limit=100).items]

    def reading(self, call: Callable[[UnitOfWork], Any]) -> Any:
        """What ``call`` answers in a reading unit."""
        with self.site.reading() as unit:
            return call(unit)

    def writing(self, call: Callable[[UnitOfWork], Any]) -> Any:
        """What ``call`` answers in a unit that commits."""
        with self.site.writing() as unit:
            return call(unit)

    def work(self, hours: float = 0) -> None:
        """Let time pass, then run the jobs of this plugin's notices that are due."""
        from keyun_notices.publishing.jobs import sweep

        self.clock.tick(dt.timedelta(hours=hours))
        sweep(self.site)


@pytest.fixture
def push(make_site: MakeSite, clock: Clock) -> Push:
    """A site with precise push and nobody in it."""
    return Push(make_site("notices"), clock)


@pytest.fixture
def town(push: Push) -> Push:
    """``an`` and ``bo`` in Dongpo, ``cai`` in Danleng, ``du`` in Jianyang; staff and an admin."""
    push.persons("an", "bo", region=DONGPO)
    push.person("cai", region=DANLENG, level=3)
    push.person("du", region=JIANYANG)
    push.person("staff", region=SICHUAN, roles=[("staff", MEISHAN)])
    push.person("admin", region=SICHUAN, roles=[("admin", SICHUAN)])
    return push
