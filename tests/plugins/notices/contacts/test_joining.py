"""Joining on the page: a code by SMS, and nobody is signed up, found out or flooded."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from keyun.jobs import JobRow, Worker
from keyun.site import Site
from keyun.testing import Browser, Clock, MakeApp, MakeSite, browse
from keyun_notices.contacts import joining
from keyun_notices.contacts.jobs import tidy
from keyun_notices.contacts.models import Allowance, Contact, Joining
from tests.plugins.notices.conftest import DANLENG, DONGPO
from tests.plugins.notices.contacts.conftest import number
from tests.plugins.notices.contacts.gateway import Gateway, gateway

CODE = re.compile(r"\d{6}")


@pytest.fixture
def sms() -> Iterator[Gateway]:
    with gateway() as running:
        yield running


@pytest.fixture
def site(make_site: MakeSite, sms: Gateway) -> Site:
    return make_site("notices", config={"plugin": {"notices": sms.config}})


@pytest.fixture
def visitor(site: Site, make_app: MakeApp) -> Browser:
    return browse(make_app(site=site))


def ask(visitor: Browser, n: int = 1, region: str = DANLENG, **more: str) -> str:
    """Ask for a code; returns the page for it."""
    answer = visitor.submit("/notices/join", {"phone": number(n), "region": region, "agree": "true", **more})
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return answer.location


def code_of(site: Site, sms: Gateway, n: int = 1) -> str:
    """The newest code that went to a number."""
    Worker(site).drain()
    found = CODE.search(sms.texts(number(n))[-1])
    assert found is not None
    return found[0]


def contacts(site: Site) -> list[tuple[str | None, str, str]]:
    """Every contact as (number, region, state)."""
    with site.reading() as unit:
        return [(c.phone, c.region, c.state) for c in unit.session.scalars(sa.select(Contact))]


def type_code(visitor: Browser, page: str, code: str) -> int:
    """Type a code into the page; returns the status."""
    ticket = page.partition("ticket=")[2]
    return visitor.submit("/notices/join/code", {"ticket": ticket, "code": code}).status_code


def test_whoever_types_the_code_is_a_contact_of_the_region(
    site: Site, visitor: Browser, sms: Gateway
) -> None:
    assert "511424" in visitor.get("/notices/join?region=511424").get_data(as_text=True)
    page = ask(visitor)
    assert number(1) not in visitor.get(page).get_data(as_text=True)
    assert contacts(site) == [], "nobody is signed up before the code comes back"
    assert type_code(visitor, page, code_of(site, sms)) == 303
    assert contacts(site) == [(f"+86{number(1)}", DANLENG, "active")]


def test_the_last_page_can_be_looked_at_again(site: Site, visitor: Browser, sms: Gateway) -> None:
    ticket = ask(visitor).partition("ticket=")[2]
    typed = {"ticket": ticket, "code": code_of(site, sms)}
    done = visitor.submit("/notices/join/code", typed).headers["Location"]
    for _ in range(2):
        assert "订阅成功" in visitor.get(done).get_data(as_text=True)
    assert number(1) not in done and ticket not in done


def test_a_code_is_good_for_one_person_once(
    site: Site, visitor: Browser, sms: Gateway, make_app: MakeApp
) -> None:
    page = ask(visitor)
    code = code_of(site, sms)
    other = ask(visitor, 2)
    assert type_code(visitor, other, code) == 422
    assert type_code(visitor, page, code) == 303
    assert type_code(visitor, page, code) == 422
    assert len(contacts(site)) == 1


def test_a_code_can_be_guessed_five_times(site: Site, visitor: Browser, sms: Gateway) -> None:
    page = ask(visitor)
    code = code_of(site, sms)
    wrong = "000000" if code != "000000" else "111111"
    assert [type_code(visitor, page, wrong) for _ in range(5)] == [422] * 5
    assert type_code(visitor, page, code) == 422
    assert contacts(site) == []


def test_a_code_is_good_for_ten_minutes(site: Site, visitor: Browser, sms: Gateway, clock: Clock) -> None:
    page = ask(visitor)
    code = code_of(site, sms)
    clock.tick(joining.GOOD_FOR)
    assert type_code(visitor, page, code) == 422
    assert contacts(site) == []


def test_one_code_typed_many_times_at_once_makes_one_contact(
    site: Site, visitor: Browser, sms: Gateway
) -> None:
    ticket = ask(visitor).partition("ticket=")[2]
    code = code_of(site, sms)

    def confirm(_: int) -> bool:
        with site.writing() as unit:
            return joining.confirm(unit, ticket, code) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(confirm, range(5))) == 1
    assert len(contacts(site)) == 1


def test_a_number_gets_one_code_a_minute_and_five_a_day(
    visitor: Browser, clock: Clock, site: Site, sms: Gateway
) -> None:
    data = {"phone": number(1), "region": DONGPO, "agree": "true"}
    for _ in range(joining.A_DAY):
        ask(visitor)
        again = visitor.submit("/notices/join", data)
        assert again.status_code == 422 and "验证码要得太勤" in again.get_data(as_text=True)
        clock.tick(dt.timedelta(minutes=1))
    assert visitor.submit("/notices/join", data).status_code == 422
    clock.tick(dt.timedelta(days=1))
    ask(visitor)
    Worker(site).drain()
    assert len(sms.texts(number(1))) == 1, "codes that are too old are not sent"


def test_one_address_gets_codes_for_twenty_numbers_an_hour(visitor: Browser, clock: Clock) -> None:
    for n in range(joining.AN_ORIGIN):
        ask(visitor, n)
    data = {"phone": number(99), "region": DONGPO, "agree": "true"}
    assert visitor.submit("/notices/join", data).status_code == 422
    clock.tick(dt.timedelta(hours=1))
    assert visitor.submit("/notices/join", data).status_code == 303


@pytest.mark.parametrize("left_out", ["phone", "region", "agree"])
def test_without_number_region_or_consent_nothing_is_sent(
    visitor: Browser, site: Site, sms: Gateway, left_out: str
) -> None:
    data = {"phone": number(1), "region": DONGPO, "agree": "true"}
    del data[left_out]
    assert visitor.submit("/notices/join", data).status_code == 422
    Worker(site).drain()
    assert sms.messages == []


def test_a_known_number_gets_the_same_answer_as_a_new_one(
    site: Site, visitor: Browser, sms: Gateway, clock: Clock
) -> None:
    page = ask(visitor)
    assert type_code(visitor, page, code_of(site, sms)) == 303
    clock.tick(dt.timedelta(hours=1))
    known, new = visitor.get(ask(visitor, 1)), visitor.get(ask(visitor, 2))
    ticket = re.compile(
        r'name="ticket" value="[^"]+"|ticket=[\w-]+|ticket%3D[\w-]+|csrf_token" value="[^"]+"'
    )
    assert ticket.sub("", known.get_data(as_text=True)) == ticket.sub("", new.get_data(as_text=True))


def test_neither_log_nor_finished_jobs_hold_the_number_or_the_code(
    site: Site, visitor: Browser, sms: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    page = ask(visitor)
    code = code_of(site, sms)
    type_code(visitor, page, code)
    with site.reading() as unit:
        jobs = str(unit.session.execute(sa.select(JobRow.payload, JobRow.name)).all())
    assert number(1) not in caplog.text and code not in caplog.text
    assert code not in jobs and number(1) not in jobs


def test_what_was_typed_and_never_confirmed_is_gone_after_a_while(
    site: Site, visitor: Browser, clock: Clock
) -> None:
    ask(visitor)
    clock.tick(dt.timedelta(days=1))
    tidy(site)
    with site.reading() as unit:
        for model in (Joining, Allowance):
            assert unit.session.scalar(sa.select(sa.func.count()).select_from(model)) == 0


def test_a_site_without_a_gateway_says_so_and_sends_nothing(make_site: MakeSite, make_app: MakeApp) -> None:
    visitor = browse(make_app(site=make_site("notices")))
    assert "还没有开通短信验证码" in visitor.get("/notices/join").get_data(as_text=True)
    data = {"phone": number(1), "region": DONGPO, "agree": "true"}
    assert visitor.submit("/notices/join", data).status_code == 409


def test_a_gateway_that_refuses_makes_the_job_give_up_without_a_word_of_it(
    site: Site, visitor: Browser, sms: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    sms.code = "9"
    ask(visitor)
    Worker(site).drain()
    with site.reading() as unit:
        row = unit.session.scalars(sa.select(JobRow).where(JobRow.name == joining.CODE_JOB)).one()
        assert row.state == "dead" and number(1) not in str(row.error)
    assert number(1) not in caplog.text
