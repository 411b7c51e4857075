"""Shortcuts to contacts, through their services."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from keyun.access import system
from keyun_notices.contacts import bits, services
from keyun_notices.contacts.models import AddressedContact, Contact
from keyun_notices.outbox.channels.sms import reaches
from tests.plugins.notices.conftest import DONGPO, Push

Number = Callable[[int], str]


def number(n: int) -> str:
    """The ``n``-th number of these tests."""
    return f"138{n:08d}"


class Phones:
    """Contacts of a site, by the numbers of these tests."""

    def __init__(self, push: Push) -> None:
        self.push, self.site = push, push.site

    def join(self, *numbers: int, region: str = DONGPO, day: str = "2026-01-02") -> None:
        """Write down a consent of each number."""
        with self.site.writing() as unit:
            for n in numbers:
                data = {
                    "phone": number(n),
                    "region": region,
                    "consented_on": day,
                    "evidence": "登记表第 1 页",
                }
                services.record_consent(system(), unit, data)

    def sms(self, n: int, text: str) -> str | None:
        """Send a text; returns the answer."""
        with self.site.writing() as unit:
            return services.opt_in_by_sms(unit, number(n), text)

    def all(self) -> list[Contact]:
        """Every contact."""
        with self.site.reading() as unit:
            return list(unit.session.scalars(sa.select(Contact).order_by(Contact.id)))

    def of(self, n: int) -> Contact:
        """The contact of a number."""
        from keyun_notices.contacts.consent import find

        with self.site.reading() as unit:
            found = find(unit, f"+86{number(n)}")
        assert found is not None
        return found

    def active(self) -> set[str]:
        """The numbers that may be told something, as they are dialled here."""
        return {c.phone.removeprefix("+86") for c in self.all() if c.phone and c.state == "active"}

    def addressed(self, ikey: str) -> list[int]:
        """The ids of contacts a notice was addressed to."""
        notice = self.push.notice(ikey)
        with self.site.reading() as unit:
            return list(bits.read(unit.session, AddressedContact, notice.id))

    def reached(self, ikey: str) -> set[str]:
        """The numbers that the outbox would send the notice to now."""
        with self.site.reading() as unit:
            found = reaches(unit, "contact", self.addressed(ikey))
        return {p.removeprefix("+86") for p in found.values()}


@pytest.fixture
def phones(push: Push) -> Phones:
    """Contacts of a site with precise push."""
    return Phones(push)
