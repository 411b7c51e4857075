"""Publishing: whom it reaches, who may, and what one key means."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.access import system
from keyun.errors import Conflict, Forbidden, Invalid, NotFound
from keyun.events import Event
from keyun.jobs import JobRow
from keyun.testing import make_organization
from keyun_notices.publishing.draft import Draft
from keyun_notices.publishing.models import Addressed, Notice, NoticeRegion, Reference
from keyun_notices.publishing.services import publish, sent

Push = Any
MEISHAN, SICHUAN, DANLENG = "511400", "510000", "511424"


def count(push: Push, model: Any) -> int:
    """How many rows ``model`` has."""
    return int(push.reading(lambda u: u.session.scalar(sa.select(sa.func.count()).select_from(model))))


def test_a_notice_reaches_exactly_those_in_its_regions(town: Push) -> None:
    notice = town.publish(regions=(MEISHAN,))
    assert notice.state == "published" and notice.addressed == 3
    assert town.addressed("n1") == {"an", "bo", "cai"}


def test_conditions_narrow_the_regions_down_and_never_widen_them(town: Push) -> None:
    town.publish(regions=(MEISHAN,), audience={"attribute": "level", "is": 3})
    assert town.addressed("n1") == {"cai"}
    town.publish("n2", regions=(DANLENG,), audience={"any": [{"attribute": "level", "from": 0}, {"all": []}]})
    assert town.addressed("n2") == {"cai"}


def test_the_country_asks_for_no_region(town: Push) -> None:
    town.person("far", region=None)
    town.publish(regions=("100000", MEISHAN))
    assert town.addressed("n1") == set(town.people)


def test_a_retired_code_means_its_successor(town: Push) -> None:
    town.person("hui", region="513402")
    town.publish(regions=("513425",))
    assert town.addressed("n1") == {"hui"}
    assert town.inbox("hui") == ["n1"]


def test_a_change_in_the_same_transaction_counts(town: Push) -> None:
    from keyun.accounts import User

    with town.site.writing() as unit:
        user = unit.session.get_one(User, town.people["du"])
        user.region = DANLENG
        unit.record("user.changed", "user", user.id, system())
        unit.session.flush()
        publish(system(), unit, Draft("n1", title="通知", regions=(MEISHAN,)))
    assert town.addressed("n1") == {"an", "bo", "cai", "du"}


def test_the_channels_hear_of_it_in_the_same_transaction(town: Push) -> None:
    notice = town.publish()
    jobs = town.reading(
        lambda u: u.session.scalars(sa.select(JobRow.payload).where(JobRow.name == "notices.fanout")).all()
    )
    assert jobs == [{"notice_id": notice.id}]


def test_the_same_key_and_content_is_the_notice_that_is_there(town: Push) -> None:
    first = town.publish(regions=(MEISHAN, DANLENG))
    town.change("du", region=DANLENG)
    again = town.publish(regions=(DANLENG, MEISHAN))
    assert again.id == first.id
    assert town.addressed("n1") == {"an", "bo", "cai"}
    assert count(town, Notice) == 1


@pytest.mark.parametrize(
    "other", [{"title": "另一个标题"}, {"regions": (DANLENG,)}, {"life": True}, {"audience": {"any": []}}]
)
def test_the_same_key_with_another_content_is_refused_and_changes_nothing(town: Push, other: Any) -> None:
    before = town.publish()
    with pytest.raises(Conflict, match="另一条通知"):
        town.publish(**other)
    after = town.notice("n1")
    assert (after.title, after.body_hash, after.version) == (before.title, before.body_hash, before.version)
    assert town.addressed("n1") == {"an", "bo", "cai"}


def test_somebody_elses_key_is_refused_even_with_the_same_content(town: Push) -> None:
    town.publish(by=town.actor("staff"))
    with pytest.raises(Conflict):
        town.publish(by=town.actor("admin"))


@pytest.mark.parametrize("same", [True, False])
def test_many_at_once_with_one_key_make_one_notice(town: Push, same: bool) -> None:
    barrier = threading.Barrier(8)

    def try_it(number: int) -> int | str:
        barrier.wait()
        try:
            return int(town.publish(title="一" if same else f"标题 {number}").id)
        except Conflict:
            return "conflict"

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(try_it, range(8)))
    assert count(town, Notice) == 1
    assert got.count("conflict") == (0 if same else 7)
    assert {g for g in got if g != "conflict"} == {town.notice("n1").id}
    published = sa.select(sa.func.count()).where(Event.name == "notice.published")
    assert town.reading(lambda u: u.session.scalar(published)) == 1


def test_staff_send_only_to_regions_that_are_theirs(town: Push) -> None:
    staff = town.actor("staff")
    assert town.publish(by=staff, regions=(DANLENG,)).sender_id == town.people["staff"]
    for regions in ((SICHUAN,), (DANLENG, "510185"), ("100000",)):
        with pytest.raises(Forbidden):
            town.publish("n2", by=staff, regions=regions)
    with pytest.raises(Forbidden):
        town.publish("n2", by=town.actor("an"))
    assert count(town, Notice) == 1


def test_only_an_administrator_publishes_a_threat_to_life(town: Push) -> None:
    with pytest.raises(Forbidden, match="危及生命"):
        town.publish(by=town.actor("staff"), life=True)
    assert town.publish(by=town.actor("admin"), life=True).life


def test_an_organization_is_named_by_its_members_only(town: Push) -> None:
    office = town.writing(lambda u: make_organization(u, "示范科协", kind="society"))
    town.person("clerk", roles=[("staff", MEISHAN)], organizations=[office])
    assert town.publish(by=town.actor("clerk"), organization=office.public_id).organization_id == office.id
    with pytest.raises(Forbidden, match="成员"):
        town.publish("n2", by=town.actor("staff"), organization=office.public_id)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("key", {"ikey": "有 空格"}),
        ("key", {"ikey": "k" * 161}),
        ("kind", {"kind": "alarm"}),
        ("title", {"title": "  "}),
        ("title", {"title": "长" * 121}),
        ("body", {"body": "\x00"}),
        ("body", {"body": "\ud800"}),
        ("link", {"link": "javascript:alert(1)"}),
        ("regions", {"regions": ()}),
        ("regions", {"regions": ("999999",)}),
        ("topic", {"topic": "no-such-topic"}),
        ("audience", {"audience": {"attribute": "no-such", "is": 1}}),
        ("audience", {"audience": {"all": [{"attribute": "region", "within": ["999999"]}]}}),
        ("refers_to", {"kind": "update"}),
        ("refers_to", {"refers_to": ("n0",)}),
        ("refers_to", {"kind": "update", "refers_to": ("n1",)}),
        ("starts_at", {"starts_at": dt.datetime(2027, 3, 1)}),
        ("starts_at", {"starts_at": dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14)))}),
        (
            "expires_at",
            {
                "starts_at": dt.datetime(2027, 4, 1, tzinfo=dt.UTC),
                "expires_at": dt.datetime(2027, 4, 1, tzinfo=dt.UTC),
            },
        ),
    ],
)
def test_what_is_wrong_is_named_by_field_and_nothing_is_written(town: Push, field: str, values: Any) -> None:
    given = {"ikey": "n1", "title": "通知", "regions": (MEISHAN,), **values}
    with pytest.raises(Invalid) as refused, town.site.writing() as unit:
        publish(system(), unit, Draft(**given))
    assert field in refused.value.fields
    assert [count(town, m) for m in (Notice, NoticeRegion, Reference, Addressed)] == [0, 0, 0, 0]


def test_a_notice_that_has_run_out_is_kept_and_shown_to_nobody(town: Push) -> None:
    town.publish(expires_at=town.clock() - dt.timedelta(hours=1))
    assert town.inbox("an") == []
    jobs = sa.select(sa.func.count()).where(JobRow.name == "notices.fanout")
    assert town.reading(lambda u: u.session.scalar(jobs)) == 0


def test_staff_look_at_what_was_sent_in_their_region_and_at_nothing_else(town: Push) -> None:
    own = town.publish(by=town.actor("staff"), regions=(DANLENG,))
    other = town.publish("n2", regions=("510185",))
    staff = town.actor("staff")
    assert town.reading(lambda u: sent(staff, u, own.public_id)).id == own.id
    assert town.reading(lambda u: sent(staff, u, "n1")).id == own.id
    for name in (other.public_id, "n2", "no-such", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(NotFound):
            town.reading(lambda u, name=name: sent(staff, u, name))


def test_a_deep_expression_is_refused_and_not_followed(town: Push) -> None:
    deep: dict[str, Any] = {"all": []}
    for _ in range(100_000):
        deep = {"not": deep}
    with pytest.raises(Invalid, match="嵌套"):
        town.publish(audience=deep)
