"""People without an account: they agree, they are addressed once, and a no works at once."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyun.access import system
from keyun.errors import Conflict, Forbidden, Invalid, NotFound
from keyun.events import Event
from keyun_notices.contacts import bits, services
from keyun_notices.contacts.consent import withdraw
from keyun_notices.contacts.models import AddressedContact, Consent, ContactAudience
from keyun_notices.preferences.services import honour, optout_token
from tests.plugins.notices.conftest import DANLENG, DONGPO, JIANYANG, MEISHAN, SICHUAN, Push
from tests.plugins.notices.contacts.conftest import Phones, number


def consents(phones: Phones, n: int) -> list[tuple[bool, str, str]]:
    """What is on record about a number: given or not, how, for which region."""
    owner = phones.of(n).id
    with phones.site.reading() as unit:
        rows = unit.session.scalars(
            sa.select(Consent).where(Consent.contact_id == owner).order_by(Consent.id)
        )
        return [(c.given, c.way, c.region) for c in rows]


def test_a_text_with_a_region_makes_a_contact(phones: Phones) -> None:
    answer = phones.sms(1, "DY 511424")
    assert answer is not None and "已订阅四川省眉山市丹棱县" in answer and "退订" in answer
    assert phones.of(1).region == DANLENG
    assert consents(phones, 1) == [(True, "sms", DANLENG)]


@pytest.mark.parametrize(
    ("text", "asks"), [("DY", "没有认出地区"), ("订阅 眉山", "您指的是哪里"), ("订阅 火星", "没有认出")]
)
def test_an_unclear_region_is_asked_for_and_nobody_is_signed_up(phones: Phones, text: str, asks: str) -> None:
    answer = phones.sms(1, text)
    assert answer is not None and asks in answer
    assert phones.all() == []


def test_a_text_that_is_no_wish_gets_no_answer(phones: Phones) -> None:
    assert phones.sms(1, "你好") is None
    assert phones.all() == []


def test_texts_in_a_row_are_answered_ten_times_an_hour_and_a_stop_is_heeded_still(phones: Phones) -> None:
    answers = [phones.sms(1, "DY 511424") for _ in range(12)]
    assert [a is None for a in answers] == [False] * 10 + [True] * 2
    assert phones.sms(1, "退订") is None
    assert phones.active() == set()
    phones.push.clock.tick(dt.timedelta(hours=1))
    assert phones.sms(1, "退订") is not None


def test_one_number_is_one_contact_however_often_and_however_it_joins(phones: Phones) -> None:
    phones.sms(1, "DY 511424")
    phones.join(1, region=DONGPO)
    with phones.site.writing() as unit:
        data = {
            "phone": f"+86 {number(1)}",
            "region": DONGPO,
            "consented_on": "2026-01-02",
            "evidence": "再次",
        }
        services.record_consent(system(), unit, data)
    assert [c.region for c in phones.all()] == [DONGPO]
    assert len(consents(phones, 1)) == 3


def test_whoever_says_stop_by_text_is_gone_from_the_next_message_on(phones: Phones) -> None:
    phones.join(1, 2)
    phones.push.publish("n1", contacts=True)
    assert phones.reached("n1") == {number(1), number(2)}
    assert "已退订" in str(phones.sms(1, "退订"))
    assert phones.reached("n1") == {number(2)}
    phones.push.publish("n2", contacts=True)
    assert phones.addressed("n2") == [phones.of(2).id]


def test_whoever_opens_the_link_and_says_no_is_gone_from_the_next_message_on(phones: Phones) -> None:
    phones.join(1, 2)
    phones.push.publish("n1", contacts=True)
    token = optout_token(phones.site, "contact", phones.of(1).public_id)
    with phones.site.writing() as unit:
        honour(unit, token)
    assert phones.reached("n1") == {number(2)}
    assert consents(phones, 1)[-1] == (False, "link", DONGPO)


def test_staff_withdraw_for_somebody_who_asked(phones: Phones) -> None:
    phones.join(1)
    phones.push.publish("n1", contacts=True)
    with phones.site.writing() as unit:
        assert services.withdraw_contact(system(), unit, phones.of(1).public_id) is True
    assert phones.reached("n1") == set()
    with phones.site.writing() as unit:
        assert services.withdraw_contact(system(), unit, phones.of(1).public_id) is False
    assert consents(phones, 1) == [(True, "staff", DONGPO), (False, "staff", DONGPO)]


def test_a_withdrawal_leaves_a_record_without_the_number(phones: Phones) -> None:
    phones.sms(1, "DY 511424")
    phones.sms(1, "退订")
    found = phones.of(1)
    assert (found.phone, found.state) == (None, "withdrawn")
    with phones.site.reading() as unit:
        tables = (
            "notices_contact",
            "notices_consent",
            "notices_joining",
            "notices_allowance",
            "core_event",
            "core_job",
        )
        for table in tables:
            text = str(unit.session.execute(sa.text(f"SELECT * FROM {table}")).all())
            assert number(1) not in text, table


def test_an_older_consent_does_not_undo_a_withdrawal_and_a_later_one_does(phones: Phones) -> None:
    phones.join(1, day="2026-01-02")
    phones.sms(1, "退订")
    today = phones.push.reading(lambda unit: unit.today)
    for day in (dt.date(2026, 1, 2), today):
        with pytest.raises(Conflict, match="已退订"):
            phones.join(1, day=day.isoformat())
    assert phones.active() == set()
    phones.push.clock.tick(dt.timedelta(days=2))
    phones.join(1, day=(today + dt.timedelta(days=1)).isoformat())
    assert phones.active() == {number(1)}


def test_somebody_may_join_again_by_text_right_after_he_said_stop(phones: Phones) -> None:
    phones.sms(1, "DY 511424")
    phones.sms(1, "退订")
    phones.push.clock.tick(dt.timedelta(seconds=1))
    phones.sms(1, "DY 511402")
    assert phones.active() == {number(1)}
    assert len(phones.all()) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"phone": "110"}, {"region": "999999"}, {"consented_on": "2999-01-01"}, {"consented_on": "gestern"},
     {"evidence": ""}, {"consented_on": "0001-01-01"}, {"evidence": "x" * 501}, {"phone": None}],
)  # fmt: skip
def test_a_consent_needs_a_number_a_region_a_day_and_what_shows_it(
    phones: Phones, wrong: dict[str, Any]
) -> None:
    data = {"phone": number(1), "region": DONGPO, "consented_on": "2026-01-02", "evidence": "登记表"} | wrong
    with pytest.raises(Invalid), phones.site.writing() as unit:
        services.record_consent(system(), unit, data)
    assert phones.all() == []


def test_only_contacts_inside_the_regions_of_the_notice_are_addressed(phones: Phones) -> None:
    for n, region in enumerate((DONGPO, DANLENG, JIANYANG, MEISHAN, SICHUAN)):
        phones.join(n, region=region)
    ids = {n: phones.of(n).id for n in range(5)}
    phones.push.publish("county", regions=(DONGPO,), contacts=True)
    phones.push.publish("city", regions=(MEISHAN, DONGPO), contacts=True)
    phones.push.publish("province", regions=(SICHUAN,), contacts=True)
    phones.push.publish("country", regions=("100000",), contacts=True)
    phones.push.publish("nobody", regions=(MEISHAN,))
    assert phones.addressed("county") == [ids[0]]
    assert phones.addressed("city") == [ids[0], ids[1], ids[3]]
    assert phones.addressed("province") == phones.addressed("country") == sorted(ids.values())
    assert phones.addressed("nobody") == []


def test_a_province_with_contacts_in_many_counties_is_addressed_whole(phones: Phones) -> None:
    counties = [p.code for p in phones.site.regions.below(SICHUAN) if p.level == "county"][:40]
    for n, region in enumerate(counties):
        phones.join(n, region=region)
    phones.join(99, region="110101")
    phones.sms(0, "退订")
    phones.push.publish("n1", regions=(SICHUAN,), contacts=True)
    assert phones.addressed("n1") == [phones.of(n).id for n in range(1, 40)]


def test_a_contact_of_a_retired_county_gets_what_is_for_its_successor(phones: Phones) -> None:
    phones.join(1, region="513425")
    phones.push.publish("n1", regions=("513402",), contacts=True)
    assert phones.addressed("n1") == [phones.of(1).id]


@pytest.mark.parametrize("form", [number(1), f"+86{number(1)}"])
def test_whoever_has_an_account_with_that_number_is_addressed_there_and_not_twice(
    phones: Phones, form: str
) -> None:
    phones.join(1, 2)
    phones.push.person("an", phone=form)
    phones.push.publish("n1", contacts=True)
    assert phones.addressed("n1") == [phones.of(2).id]
    assert phones.push.addressed("n1") == {"an"}
    phones.push.change("an", active=False)
    phones.push.publish("n2", contacts=True)
    assert phones.addressed("n2") == [phones.of(1).id, phones.of(2).id]


def test_a_number_of_an_account_that_is_not_addressed_is_told_as_the_contact_it_is(phones: Phones) -> None:
    phones.join(1)
    phones.push.person("an", phone=number(1), region=JIANYANG)
    phones.push.publish("n1", regions=(DONGPO,), contacts=True)
    assert phones.push.addressed("n1") == set()
    assert phones.addressed("n1") == [phones.of(1).id], "he agreed to hear of this county"


@pytest.mark.parametrize(
    ("audience", "told"),
    [
        ({"all": []}, {1, 2}),
        ({"attribute": "region", "within": [DONGPO]}, {1}),
        ({"not": {"attribute": "region", "within": [DONGPO]}}, {2}),
        ({"attribute": "region", "within": [JIANYANG]}, set()),
        ({"attribute": "level", "is": 3}, set()),
        ({"any": [{"attribute": "region", "within": [DONGPO]}, {"attribute": "level", "is": 3}]}, set()),
    ],
)
def test_a_contact_gets_what_is_for_his_region_and_nothing_that_asks_for_more(
    phones: Phones, audience: dict[str, Any], told: set[int]
) -> None:
    phones.join(1)
    phones.join(2, region=DANLENG)
    phones.push.publish("n1", audience=audience, contacts=True)
    assert phones.addressed("n1") == sorted(phones.of(n).id for n in told)


def test_the_frozen_audience_stays_when_people_move_join_or_leave(phones: Phones) -> None:
    phones.join(1, 2)
    phones.push.publish("n1", regions=(DONGPO,), contacts=True)
    before = phones.addressed("n1")
    phones.join(3)
    phones.join(1, region=JIANYANG)
    phones.sms(2, "退订")
    assert phones.addressed("n1") == before


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(1, 30_000), max_size=60), st.integers(0, 30_000))
def test_a_set_of_numbers_is_read_as_it_was_kept(push: Push, ids: set[int], after: int) -> None:
    notice = push.publish("bits")
    with push.site.writing() as unit:
        unit.session.execute(sa.delete(AddressedContact))
        assert bits.keep(unit.session, AddressedContact, notice.id, sorted(ids)) == len(ids)
        assert list(bits.read(unit.session, AddressedContact, notice.id, after)) == sorted(
            i for i in ids if i > after
        )
        assert bits.count(unit.session, AddressedContact, notice.id) == len(ids)
        assert bits.holds(unit.session, AddressedContact, notice.id, 7) is (7 in ids)
        for one in sorted(ids)[:3]:
            assert bits.clear(unit.session, AddressedContact, one) == [notice.id]
            assert not bits.holds(unit.session, AddressedContact, notice.id, one)
        assert bits.count(unit.session, AddressedContact, notice.id) == max(0, len(ids) - 3)


def test_who_is_forgotten_leaves_no_trace_but_a_note_in_the_count(phones: Phones) -> None:
    phones.join(1, 2)
    gone = phones.of(1)
    phones.push.publish("n1", contacts=True)
    with phones.site.writing() as unit:
        services.forget(system(), unit, number(1))
    assert phones.addressed("n1") == [phones.of(2).id]
    with phones.site.reading() as unit:
        counted = unit.session.get_one(ContactAudience, phones.push.notice("n1").id)
        assert (counted.addressed, counted.erased) == (2, 1)
        assert gone.digest not in str(unit.session.execute(sa.text("SELECT * FROM notices_contact")).all())
        rows = sa.select(sa.func.count()).select_from(Consent).where(Consent.contact_id == gone.id)
        assert unit.session.scalar(rows) == 0
    with pytest.raises(NotFound), phones.site.writing() as unit:
        services.forget(system(), unit, number(1))
    phones.join(1)
    assert phones.of(1).id > gone.id, "a number of a row is never used again"


def test_a_person_gets_everything_that_is_kept_about_his_number(phones: Phones) -> None:
    phones.join(1)
    phones.push.publish("n1", contacts=True)
    with phones.site.reading() as unit:
        found = services.held(system(), unit, number(1))
    assert found["phone"] == f"+86{number(1)}"
    assert [c["evidence"] for c in found["consents"]] == ["登记表第 1 页"]
    assert [n["title"] for n in found["notices"]] == ["通知 n1"]


def test_staff_see_and_change_contacts_of_their_own_region_only(phones: Phones) -> None:
    push = phones.push
    push.person("staff", roles=[("staff", MEISHAN)])
    phones.join(1, region=DONGPO)
    phones.join(2, region=JIANYANG)
    actor, other = push.actor("staff"), phones.of(2).public_id
    with phones.site.reading() as unit:
        assert [c.id for c in services.contacts(actor, unit).items] == [phones.of(1).id]
        assert services.contacts(actor, unit, region=JIANYANG).items == []
        with pytest.raises(NotFound):
            services.contact(actor, unit, other)
        with pytest.raises(NotFound):
            services.held(actor, unit, number(2))
    with pytest.raises(NotFound), phones.site.writing() as unit:
        services.withdraw_contact(actor, unit, other)
    data = {"phone": number(3), "region": JIANYANG, "consented_on": "2026-01-02", "evidence": "登记表"}
    with pytest.raises(Forbidden), phones.site.writing() as unit:
        services.record_consent(actor, unit, data)
    with pytest.raises(Conflict), phones.site.writing() as unit:
        services.record_consent(actor, unit, data | {"phone": number(2), "region": DONGPO})
    assert phones.of(2).region == JIANYANG
    push.person("reader")
    with pytest.raises(Forbidden), phones.site.reading() as unit:
        services.contacts(push.actor("reader"), unit)


def test_events_tell_what_happened_without_a_number(phones: Phones) -> None:
    phones.sms(1, "DY 511424")
    phones.sms(1, "DY 511402")
    phones.sms(1, "退订")
    with phones.site.reading() as unit:
        rows = unit.session.scalars(
            sa.select(Event).where(Event.subject_type == "notices.contact").order_by(Event.id)
        )
        names = [e.name for e in rows]
    assert names == ["contact.joined", "contact.moved", "contact.withdrawn"]


def test_many_that_join_and_leave_at_once_are_one_contact_with_one_record_each(phones: Phones) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: phones.join(1), range(8)))
    assert len(phones.all()) == 1
    assert len(consents(phones, 1)) == 8
    owner = phones.of(1).id

    def leave(_: int) -> bool:
        with phones.site.writing() as unit:
            return withdraw(system(), unit, owner, "link")

    with ThreadPoolExecutor(4) as pool:
        left = list(pool.map(leave, range(8)))
    assert sum(left) == 1
    assert [c[0] for c in consents(phones, 1)].count(False) == 1
