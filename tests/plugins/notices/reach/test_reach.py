"""Four numbers that are never one: addressed, handed over, shown, confirmed; each kind apart."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from keyun.access import system
from keyun.cli import cli
from keyun.errors import Forbidden, NotFound
from keyun.exchange import run
from keyun.testing import MakeApp, browse
from keyun_notices.inbox.models import Receipt
from keyun_notices.outbox.models import OutboxRow
from keyun_notices.outbox.services import Delivery, put
from keyun_notices.reach import importers, services
from keyun_notices.reach.population import bound, residents
from keyun_notices.reach.values import Reach
from tests.plugins.notices.conftest import DANLENG, DONGPO, JIANYANG, MEISHAN, SICHUAN, Push
from tests.plugins.notices.contacts.conftest import Phones
from tests.plugins.notices.relays.conftest import Relays


@pytest.fixture
def case(push: Push) -> Push:
    """A notice to Meishan: 3 accounts, 4 contacts, 3 relays, each with a history."""
    phones, relays = Phones(push), Relays(push)
    push.persons("an", "bo", region=DONGPO)
    push.person("cai", region=DANLENG)
    push.person("du", region=JIANYANG)
    phones.join(1, 2, 3)
    phones.join(4, region=DANLENG)
    phones.join(5, region=JIANYANG)
    relays.add("horn")
    relays.add("screen")
    relays.add("school", DANLENG)
    relays.add("far", JIANYANG)
    push.publish("n1", contacts=True, relays=True)
    notice = push.notice("n1").id
    contacts = [c.id for c in phones.all()]
    states = {
        ("account", push.people["an"], "mail"): "delivered",
        ("account", push.people["bo"], "mail"): "bounced",
        ("account", push.people["cai"], "mail"): "queued",
        ("account", push.people["an"], "sms"): "handed-over",
        ("contact", contacts[0], "sms"): "delivered",
        ("contact", contacts[1], "sms"): "failed",
        ("contact", contacts[2], "sms"): "handed-over",
        ("relay", relays.rows["horn"].id, "webhook"): "delivered",
    }
    with push.site.writing() as unit:
        put(unit, [Delivery(notice, kind, number, channel) for kind, number, channel in states])
        for (kind, number, channel), state in states.items():
            unit.session.execute(
                sa.update(OutboxRow)
                .where(
                    OutboxRow.recipient_kind == kind,
                    OutboxRow.recipient_id == number,
                    OutboxRow.channel == channel,
                )
                .values(state=state)
            )
        now = unit.now
        unit.session.add_all(
            [Receipt(user_id=push.people["an"], notice_id=notice, shown_at=now, opened_at=now, acted_at=now),
             Receipt(user_id=push.people["bo"], notice_id=notice, shown_at=now)]
        )  # fmt: skip
    relays.say("horn", "n1", 300)
    relays.say("horn", "n1", 250)
    relays.say("school", "n1", 50)
    return push


def reach(push: Push, ikey: str = "n1") -> Reach:
    """The figures of a notice."""
    with push.site.reading() as unit:
        return services.reach(system(), unit, services.find(system(), unit, push.notice(ikey).public_id))


def population(push: Push, *rows: tuple[str, str, int]) -> None:
    """Residents as (region, day, people)."""
    values = [{"code": r, "on": dt.date.fromisoformat(d), "people": n, "source": "普查"} for r, d, n in rows]
    with push.site.writing() as unit:
        importers.write(system(), unit, list(enumerate(values, 1)))


def test_every_number_of_a_constructed_case_is_right(case: Push) -> None:
    found = reach(case)
    a, c, r, e = found.accounts, found.contacts, found.relays, found.estimated
    assert (a.addressed.people, a.shown.people, a.opened.people, a.confirmed.people) == (3, 2, 1, 1)
    by = {x.name: (x.handed_over.people, x.delivered.people, x.failed, x.waiting) for x in a.channels}
    assert by == {"mail": (2, 1, 1, 1), "sms": (1, 0, 0, 0)}
    assert c.addressed.people == 4
    assert [(x.name, x.handed_over.people, x.delivered.people, x.failed) for x in c.channels] == [
        ("sms", 2, 1, 1)
    ]
    assert (r.asked, r.told, r.confirmed) == (3, 1, 2)
    assert e.people.people == 300
    assert [(p.region, p.relays, p.estimated.people) for p in e.places] == [
        (DONGPO, 1, 250),
        (DANLENG, 1, 50),
    ]


def test_nothing_in_the_value_adds_kinds_or_stages_up(case: Push) -> None:
    def names(value: Any) -> Iterator[str]:
        for field in dataclasses.fields(value):
            yield field.name
            inner = getattr(value, field.name)
            for one in inner if isinstance(inner, tuple) else (inner,):
                if dataclasses.is_dataclass(one):
                    yield from names(one)

    found = reach(case)
    assert not [n for n in names(found) if "total" in n or "sum" in n or "all" in n or n == "reached"]
    assert not any(isinstance(getattr(found, f.name), int) for f in dataclasses.fields(found))


def test_without_a_population_every_share_is_unknown(case: Push) -> None:
    found = reach(case)
    assert found.residents is None
    assert found.accounts.addressed.share is None and found.estimated.places[0].estimated.share is None


def test_shares_are_of_the_dated_residents_of_the_regions_of_the_notice(case: Push) -> None:
    population(case, (MEISHAN, "2020-11-01", 3000), (DONGPO, "2020-11-01", 1000), (MEISHAN, "2010-11-01", 99))
    found = reach(case)
    assert found.residents is not None
    assert (found.residents.people, found.residents.on.isoformat(), found.residents.source) == (
        3000,
        "2020-11-01",
        "普查",
    )
    assert found.accounts.addressed.share == pytest.approx(3 / 3000)
    assert found.contacts.addressed.share == pytest.approx(4 / 3000)
    assert found.estimated.people.share == pytest.approx(300 / 3000)
    assert [p.estimated.share for p in found.estimated.places] == [pytest.approx(0.25), None]


def test_several_regions_are_added_once_and_unknown_when_one_is(push: Push) -> None:
    population(push, (DONGPO, "2020-11-01", 800), (DANLENG, "2019-01-01", 200))
    push.publish("two", regions=(DONGPO, DANLENG))
    push.publish("half", regions=(DONGPO, JIANYANG))
    found = reach(push, "two").residents
    assert found is not None and (found.people, found.on.isoformat()) == (1000, "2019-01-01")
    assert reach(push, "half").residents is None


def test_a_figure_of_the_future_does_not_count_and_the_newest_of_the_past_does(push: Push) -> None:
    population(push, (DONGPO, "2010-01-01", 1), (DONGPO, "2020-01-01", 2), (DONGPO, "2999-01-01", 3))
    with push.site.reading() as unit:
        assert residents(unit, DONGPO).people == 2  # type: ignore[union-attr]


def test_a_province_is_the_sum_of_its_prefectures_when_all_are_known(push: Push) -> None:
    with push.site.writing() as unit:
        assert importers.load_bundled(system(), unit) == 21
        assert importers.load_bundled(system(), unit) == 21
    with push.site.reading() as unit:
        province, county, around = residents(unit, SICHUAN), residents(unit, DONGPO), bound(unit, DONGPO)
    assert province is not None and province.people == 83_677_000
    assert county is None
    assert around is not None and (around.region, around.people) == (MEISHAN, 2_955_000)


def test_a_file_of_populations_is_imported_and_a_bad_row_is_named(push: Push, tmp_path: Any) -> None:
    file = tmp_path / "population.csv"
    file.write_text(
        "code,name,on,people,source\n511402,东坡区,2020-11-01,800000,普查\n511402,东坡区,2010-11-01,700000,普查\n"
        "999999,无,2020-11-01,1,普查\n511424,丹棱县,2020-11-01,0,普查\n",
        encoding="utf-8",
    )
    report = run(push.site, push.site.importers["population"], file, system())
    assert (report.read, report.created, report.failed) == (4, 2, 2)
    report = run(push.site, push.site.importers["population"], file, system())
    assert (report.created, report.changed, report.failed) == (0, 2, 2)
    assert "unknown region" in (tmp_path / "population.csv.errors.csv").read_text(encoding="utf-8")


def test_who_may_not_read_the_notice_sees_no_figure(case: Push) -> None:
    case.person("staff", roles=[("staff", MEISHAN)])
    case.person("elsewhere", roles=[("staff", "510100")])
    notice = case.notice("n1")
    with case.site.reading() as unit:
        assert services.reach(case.actor("staff"), unit, notice).accounts.addressed.people == 3
        with pytest.raises(Forbidden):
            services.reach(case.actor("elsewhere"), unit, notice)
        with pytest.raises(NotFound):
            services.find(case.actor("elsewhere"), unit, notice.public_id)


def test_an_erased_person_is_missing_from_the_count_with_a_note(case: Push) -> None:
    from keyun.accounts import User
    from keyun.accounts.personal import erase

    with case.site.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, case.people["bo"]))
    found = reach(case)
    assert (found.accounts.addressed.people, found.accounts.erased) == (3, 1)
    assert found.accounts.shown.people == 1


def test_the_api_and_the_command_say_the_same(case: Push, make_app: MakeApp) -> None:
    population(case, (MEISHAN, "2020-11-01", 3000))
    public_id = case.notice("n1").public_id
    case.person("staff", roles=[("staff", MEISHAN)])
    staff = browse(make_app(site=case.site))
    visitor = browse(make_app(site=case.site))
    with case.site.reading() as unit:
        from keyun.accounts import User

        staff.log_in(unit.session.get_one(User, case.people["staff"]))
    answer = staff.get(f"/api/v1/notices/{public_id}/reach")
    assert answer.status_code == 200
    body = answer.get_json()
    assert body["accounts"]["addressed"] == {"people": 3, "share": 0.001}
    assert body["residents"] == {"people": 3000, "on": "2020-11-01", "source": "普查"}
    assert visitor.get(f"/api/v1/notices/{public_id}/reach").status_code in (401, 403)
    assert staff.get("/api/v1/notices/00000000-0000-4000-8000-000000000000/reach").status_code == 404
    command = ["--instance", str(case.site.runtime.instance), "notices", "reach", public_id]
    told = CliRunner().invoke(cli, [*command, "--json"])
    assert told.exit_code == 0, told.output
    said = json.loads(told.stdout)
    assert said["accounts"]["addressed"]["people"] == 3
    assert said["estimated"]["people"]["people"] == body["estimated"]["people"]["people"] == 300
    text = CliRunner().invoke(cli, command).output
    assert "accounts addressed  3 (0.10% of residents)" in text and "contacts addressed  4" in text
