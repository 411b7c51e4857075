"""The inbox: what is active for a person, page by page, and what he did with it."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyun.access import system
from keyun.accounts import User
from keyun.errors import Invalid, NotFound
from keyun.testing import make_organization
from keyun_notices.inbox import services as inbox
from keyun_notices.inbox.membership import KEPT, expressions, membership
from keyun_notices.inbox.models import Receipt

Push = Any
MEISHAN, DANLENG, JIANYANG = "511400", "511424", "510185"


def receipt(push: Push, login: str, ikey: str) -> Receipt | None:
    """What is noted of ``login`` and the notice with this key."""
    key = (push.people[login], push.notice(ikey).id)
    found: Receipt | None = push.reading(lambda u: u.session.get(Receipt, key))
    return found


def unread(push: Push, login: str) -> int:
    """How many notices ``login`` has not opened."""
    return int(push.reading(lambda u: inbox.unread(push.actor(login), u)))


def open_(push: Push, login: str, ikey: str) -> Any:
    """``login`` opens the notice with this key."""
    name = push.notice(ikey).public_id
    return push.writing(lambda u: inbox.open_(push.actor(login), u, name))


def test_who_registers_later_sees_what_is_active_for_him(town: Push) -> None:
    town.publish("n1")
    town.publish("n2", audience={"attribute": "level", "is": 3})
    town.publish("n3", regions=(JIANYANG,))
    town.person("late", region=DANLENG, level=3)
    assert town.inbox("late") == ["n2", "n1"]
    assert "late" not in town.addressed("n1")


def test_who_moves_sees_the_notices_of_his_new_place_and_keeps_the_old_ones(town: Push) -> None:
    town.publish("old", regions=(JIANYANG,))
    town.publish("new", regions=(DANLENG,))
    town.change("du", region=DANLENG)
    assert town.inbox("du") == ["new", "old"]
    assert town.addressed("old") == {"du"} and town.addressed("new") == {"cai"}


def test_who_meets_the_conditions_no_longer_and_was_not_addressed_sees_nothing(town: Push) -> None:
    town.publish("n1", audience={"attribute": "level", "is": 3})
    town.change("an", level=3)
    assert town.inbox("an") == ["n1"]
    town.change("an", level=1)
    assert town.inbox("an") == []


def test_who_joins_an_organization_of_the_kind_sees_what_is_for_it(town: Push) -> None:
    from keyun.accounts import Membership

    notice = town.publish("n1", audience={"attribute": "organization-kind", "is": "society"})
    office = town.writing(lambda u: make_organization(u, kind="enterprise"))
    town.clock.tick(dt.timedelta(days=1))
    with town.site.writing() as unit:
        unit.session.add(Membership(user_id=town.people["an"], organization_id=office.id))
        unit.record("user.changed", "user", town.people["an"], system())
    assert town.inbox("an") == []
    town.clock.tick(dt.timedelta(days=1))
    with town.site.writing() as unit:
        unit.session.merge(office).kind = "society"
        unit.record("organization.imported", "organization", office.id, system())
    assert town.inbox("an") == ["n1"]
    assert town.reading(lambda u: membership(u, town.people["an"], notice)) is not None


def test_a_closed_account_sees_nothing_new(town: Push) -> None:
    town.change("du", region=DANLENG, active=False)
    town.publish("n1")
    assert town.inbox("du") == []


def test_what_has_run_out_is_gone_the_moment_it_runs_out(town: Push) -> None:
    town.publish("n1", expires_at=town.clock() + dt.timedelta(hours=1))
    town.clock.tick(dt.timedelta(minutes=59))
    assert town.inbox("an") == ["n1"] and unread(town, "an") == 1
    town.clock.tick(dt.timedelta(minutes=1))
    assert town.inbox("an") == [] and unread(town, "an") == 0
    assert open_(town, "an", "n1").membership.active is False


def test_the_newest_stands_first_and_pages_neither_repeat_nor_skip(town: Push) -> None:
    keys = [f"n{n}" for n in range(7)]
    for number, key in enumerate(keys):
        # Every other one is for others only.
        town.publish(key, regions=(MEISHAN,) if number % 2 == 0 else (JIANYANG,))
        town.clock.tick(dt.timedelta(seconds=number % 3))
    seen, after = [], None
    while True:
        page = town.reading(lambda u, after=after: inbox.inbox(town.actor("an"), u, after, limit=2))
        seen += [i.notice.ikey for i in page.items]
        town.publish(f"late{len(seen)}")
        if page.next is None:
            break
        after = page.next
    assert seen == ["n6", "n4", "n2", "n0"]


def test_an_inbox_longer_than_one_reading_is_whole(town: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    from keyun_notices.inbox import query

    monkeypatch.setattr(query, "BATCH", 3)
    monkeypatch.setattr(inbox, "MOST_UNREAD", 1)
    for n in range(12):
        town.publish(f"n{n}", audience={"attribute": "level", "is": 3} if n % 6 else {"all": []})
    for limit in (1, 2):
        found = town.reading(lambda u, most=limit: inbox.inbox(town.actor("an"), u, limit=most))
        assert [i.notice.ikey for i in found.items] == ["n6", "n0"][:limit]
        assert (found.next is None) == (limit == 2)
    assert unread(town, "an") == 2


def test_an_inbox_of_others_notices_is_read_to_its_end(town: Push) -> None:
    town.publish("mine")
    for n in range(5):
        town.publish(f"n{n}", audience={"attribute": "level", "is": 3})
    first = town.reading(lambda u: inbox.inbox(town.actor("an"), u, limit=2))
    assert [i.notice.ikey for i in first.items] == ["mine"] and first.next is None


def test_a_full_memory_is_not_emptied_beneath_who_reads_from_it(
    town: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice = town.publish("n1")
    first = town.reading(lambda u: expressions(u, [notice.id]))
    before = town.site.runtime.derived(KEPT, dict)
    monkeypatch.setattr("keyun_notices.inbox.membership.MOST_KEPT", 0)
    assert town.reading(lambda u: expressions(u, [notice.id])) == first
    assert before and before is not town.site.runtime.derived(KEPT, dict)


@pytest.mark.parametrize("cursor", ["", "x", "1-", "9" * 40, "1-1-1", "１-１", "\x00"])
def test_a_cursor_that_nobody_gave_is_refused(town: Push, cursor: str) -> None:
    with pytest.raises(Invalid, match="翻页"):
        town.reading(lambda u: inbox.inbox(town.actor("an"), u, cursor))


def test_more_than_ninety_nine_are_not_counted_exactly(town: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MOST_UNREAD", 2)
    for n in range(5):
        town.publish(f"n{n}")
    assert unread(town, "an") == 3


# Receipts -----------------------------------------------------------------------------------------------


def test_there_is_no_row_for_what_nobody_did(town: Push) -> None:
    town.publish()
    assert town.reading(lambda u: u.session.scalar(sa.select(sa.func.count()).select_from(Receipt))) == 0


def test_the_first_moment_of_each_step_stays(town: Push) -> None:
    town.publish("n1")
    first = town.clock()
    with town.site.writing() as unit:
        inbox.shown(town.actor("an"), unit, inbox.inbox(town.actor("an"), unit).items)
    assert unread(town, "an") == 1
    town.clock.tick(dt.timedelta(minutes=1))
    open_(town, "an", "n1")
    town.clock.tick(dt.timedelta(minutes=1))
    name = town.notice("n1").public_id
    town.writing(lambda u: inbox.acted(town.actor("an"), u, name))
    town.clock.tick(dt.timedelta(minutes=1))
    open_(town, "an", "n1")
    town.writing(lambda u: inbox.acted(town.actor("an"), u, name))
    found = receipt(town, "an", "n1")
    assert found is not None
    minute = dt.timedelta(minutes=1)
    assert (found.shown_at, found.opened_at, found.acted_at) == (first, first + minute, first + 2 * minute)
    assert unread(town, "an") == 0


def test_who_acts_at_once_has_seen_and_opened_it(town: Push) -> None:
    town.publish("n1")
    town.writing(lambda u: inbox.acted(town.actor("an"), u, town.notice("n1").public_id))
    found = receipt(town, "an", "n1")
    assert found is not None and found.shown_at == found.opened_at == found.acted_at == town.clock()


def test_many_windows_of_one_person_leave_one_receipt(town: Push) -> None:
    town.publish("n1")
    actor, name = town.actor("an"), town.notice("n1").public_id
    barrier = threading.Barrier(6)

    def look(_: int) -> None:
        barrier.wait()
        town.writing(lambda u: inbox.open_(actor, u, name))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(look, range(6)))
    assert town.reading(lambda u: u.session.scalar(sa.select(sa.func.count()).select_from(Receipt))) == 1


# Why, and the thread ------------------------------------------------------------------------------------


def test_it_says_why_clause_by_clause(town: Push) -> None:
    town.publish("n1", audience={"attribute": "level", "is": 3})
    opened = open_(town, "cai", "n1")
    assert opened.membership.addressed and opened.why.holds
    said = str(opened.why.as_dict())
    assert "地区" in said and "认证等级" in said and "职业认证" in said


def test_it_says_when_the_reason_no_longer_holds(town: Push) -> None:
    town.publish("n1", audience={"attribute": "level", "is": 3})
    town.change("cai", level=0)
    opened = open_(town, "cai", "n1")
    assert opened.membership.addressed and not opened.why.holds
    assert town.inbox("cai") == ["n1"]


def test_a_thread_shows_what_came_before_to_whom_it_was_addressed(town: Push) -> None:
    town.publish("n1", regions=("511402",))
    town.clock.tick(dt.timedelta(minutes=1))
    town.publish("n2", kind="update", refers_to=("n1",))
    assert [n.ikey for n in open_(town, "an", "n2").thread] == ["n1"]
    assert open_(town, "cai", "n2").thread == []
    assert open_(town, "an", "n1").notice.state == "superseded"
    with pytest.raises(NotFound):
        open_(town, "cai", "n1")


# The list and the membership function give one answer -----------------------------------------------------

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from((MEISHAN, DANLENG, JIANYANG)), st.integers(-1, 3)),
        st.tuples(
            st.just("change"), st.sampled_from(("an", "cai", "du")), st.tuples(
                st.sampled_from(("511402", DANLENG, JIANYANG, None)), st.integers(0, 3), st.booleans()
            ),
        ),
        st.tuples(st.just("wait"), st.integers(1, 200), st.none()),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.none()),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MOVES)
def test_the_list_shows_what_membership_allows_and_what_facts_say(town: Push, moves: Any) -> None:
    from keyun_notices.people.resident import resident
    from keyun_notices.publishing.models import Notice
    from keyun_notices.publishing.services import addressed, whole

    with town.site.writing() as unit:
        unit.session.execute(sa.delete(Notice))
    for number, (what, one, other) in enumerate(moves):
        if what == "publish":
            hours = dt.timedelta(hours=100)
            audience = {"all": []} if other < 0 else {"attribute": "level", "is": other}
            town.publish(f"m{number}", regions=(one,), audience=audience, expires_at=town.clock() + hours)
        elif what == "change":
            region, level, active = other
            town.change(one, region=region, level=level, active=active)
        elif what == "wait":
            town.clock.tick(dt.timedelta(hours=one))
        else:
            town.cancel(f"m{one}")
    live = resident(town.site)
    for login in ("an", "cai", "du"):
        number = town.people[login]
        shown = set(town.inbox(login))
        with town.site.reading() as unit:
            for notice in unit.session.scalars(sa.select(Notice)):
                was = number in addressed(unit, notice)
                stands = notice.state == "published" and notice.expires_at > unit.now
                now = notice.kind != "cancel" and live.meets(unit, whole(unit, notice), number)
                assert (notice.ikey in shown) == (stands and (was or now))
                found = membership(unit, number, notice)
                assert (found is not None) == (notice.published_at is not None and (was or (stands and now)))
                assert notice.ikey not in shown or (found is not None and found.active)
    with town.site.writing() as unit:
        unit.session.execute(sa.update(User).values(active=True, level=1))
        unit.record_many(system(), [("user.changed", "user", n, {}) for n in town.people.values()])
