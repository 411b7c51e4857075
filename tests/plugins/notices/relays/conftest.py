"""Shortcuts to relays, through their services."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from keyun.access import Actor, system
from keyun_notices.contacts import bits
from keyun_notices.reach import importers
from keyun_notices.relays import services
from keyun_notices.relays.models import AddressedRelay, Passed, Relay, Statement
from tests.plugins.notices.conftest import DONGPO, Push


class Relays:
    """Relays of a site, by name."""

    def __init__(self, push: Push) -> None:
        self.push, self.site = push, push.site
        self.keys: dict[str, str] = {}
        self.rows: dict[str, Relay] = {}

    def add(self, name: str, region: str = DONGPO, by: Actor | None = None, **more: Any) -> Relay:
        """Set a relay up and keep its key."""
        data = {"kind": "loudspeaker", "name": name, "region": region, **more}
        with self.site.writing() as unit:
            self.rows[name], self.keys[name] = services.add(by or system(), unit, data)
        return self.rows[name]

    def say(self, name: str, ikey: str, headcount: int, at: dt.datetime | None = None) -> Passed:
        """Confirm by the key of a relay."""
        with self.site.writing() as unit:
            relay = services.by_key(unit, self.keys[name])
            notice = services.notice_of(unit, relay, self.push.notice(ikey).public_id)
            return services.passed(system(), unit, relay, notice, headcount, at)

    def said(self, name: str, ikey: str) -> Passed | None:
        """What a relay said last."""
        notice = self.push.notice(ikey)
        with self.site.reading() as unit:
            return services.said(unit, self.rows[name], [notice]).get(notice.id)

    def history(self, name: str, ikey: str) -> list[tuple[int, int]]:
        """Everything it said, as (revision, headcount)."""
        with self.site.reading() as unit:
            rows: list[Statement] = list(services.statements(unit, self.rows[name], self.push.notice(ikey)))
            return [(s.revision, s.headcount) for s in rows]

    def tasks(self, name: str) -> list[str]:
        """The keys of what a relay is to pass on now."""
        with self.site.reading() as unit:
            return [n.ikey for n in services.notices_for(unit, services.by_key(unit, self.keys[name]))]

    def asked(self, ikey: str) -> set[str]:
        """The names of the relays that were asked."""
        notice = self.push.notice(ikey)
        with self.site.reading() as unit:
            ids = set(bits.read(unit.session, AddressedRelay, notice.id))
        return {name for name, row in self.rows.items() if row.id in ids}

    def population(self, **people: int) -> None:
        """Residents of regions, each key an ``r`` and a code."""
        rows = [
            {"code": code[1:], "on": dt.date(2020, 11, 1), "people": n, "source": "普查"}
            for code, n in people.items()
        ]
        with self.site.writing() as unit:
            importers.write(system(), unit, list(enumerate(rows, 1)))


@pytest.fixture
def relays(push: Push) -> Relays:
    """Relays of a site with precise push."""
    return Relays(push)
