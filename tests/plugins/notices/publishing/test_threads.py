"""Updates and cancellations: who is shown what, whatever the order of arrival."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyun.access import Actor, system
from keyun.accounts import User
from keyun.accounts.personal import erase
from keyun.errors import Conflict, Forbidden
from keyun.events import Event
from keyun_notices.inbox import services as inbox
from keyun_notices.publishing.draft import Draft
from keyun_notices.publishing.models import Notice
from keyun_notices.publishing.services import publish
from keyun_notices.publishing.thread import Told, settle

Push = Any
MEISHAN, DANLENG, DONGPO = "511400", "511424", "511402"


def test_an_update_takes_the_place_of_what_it_refers_to(town: Push) -> None:
    town.publish("n1")
    town.publish("n2", kind="update", refers_to=("n1",), regions=(DANLENG,))
    assert town.notice("n1").state == "superseded"
    assert town.inbox("cai") == ["n2"]
    assert town.inbox("an") == []


def test_an_update_also_hides_what_its_predecessors_referred_to(town: Push) -> None:
    town.publish("n3", kind="update", refers_to=("n2",))
    town.publish("n1")
    assert town.inbox("an") == ["n1", "n3"]
    town.publish("n2", kind="update", refers_to=("n1",))
    assert town.inbox("an") == ["n3"]
    assert len({town.notice(k).thread for k in ("n1", "n2", "n3")}) == 1


def test_a_circle_of_updates_leaves_one(town: Push) -> None:
    town.publish("a", kind="update", refers_to=("b",))
    town.publish("b", kind="update", refers_to=("c",))
    town.publish("c", kind="update", refers_to=("a",))
    assert town.inbox("an") == ["c"]


def test_a_cancellation_shows_one_note_to_those_who_had_been_addressed(town: Push) -> None:
    town.publish("n1", title="暴雨提醒")
    town.publish("n2", kind="update", refers_to=("n1",), regions=(DANLENG,))
    note = town.cancel("n2", body="雨已停。")
    assert note.title == "暴雨提醒"
    assert town.inbox("an") == town.inbox("cai") == [note.ikey]
    assert town.inbox("du") == []
    assert {town.notice(k).state for k in ("n1", "n2")} == {"cancelled"}


def test_a_second_cancellation_adds_no_second_note(town: Push) -> None:
    town.publish("n1")
    first = town.cancel("n1")
    assert town.cancel("n1").id == first.id
    town.publish("other", kind="cancel", title="再次解除", refers_to=("n1",))
    assert len(town.inbox("an")) == 1


def test_cancelling_again_with_other_words_is_refused(town: Push) -> None:
    town.publish("n1")
    town.cancel("n1", body="一")
    with pytest.raises(Conflict):
        town.cancel("n1", body="二")


def test_a_cancellation_that_arrives_first_hides_the_late_notice(town: Push) -> None:
    note = town.cancel("n1")
    assert note.addressed == 0 and town.inbox("an") == []
    late = town.publish("n1", title="晚到的提醒")
    assert late.state == "cancelled" and late.published_at is None
    assert town.inbox("an") == [note.ikey]
    assert town.notice(note.ikey).title == "晚到的提醒"
    jobs = sa.text("SELECT payload FROM core_job WHERE name = 'notices.fanout'")
    told = {str(p) for (p,) in town.reading(lambda u: u.session.execute(jobs).all())}
    assert len(told) == 1 and str(note.id) in told.pop()


def test_nothing_of_a_cancelled_thread_comes_back(town: Push) -> None:
    town.publish("n1")
    note = town.cancel("n1")
    town.publish("n2", kind="update", refers_to=("n1",))
    assert town.inbox("an") == [note.ikey]


def test_who_saw_a_notice_after_moving_sees_its_end_too(town: Push) -> None:
    notice = town.publish("n1")
    town.change("du", region=DANLENG)
    town.writing(lambda u: inbox.open_(town.actor("du"), u, notice.public_id))
    note = town.cancel("n1")
    assert town.inbox("du") == [note.ikey]
    town.person("late", region=DANLENG)
    assert town.inbox("late") == []


def test_the_note_leaves_after_a_week_and_the_thread_stays_hidden(town: Push) -> None:
    town.publish("n1")
    town.cancel("n1")
    town.clock.tick(dt.timedelta(days=7, seconds=1))
    assert town.inbox("an") == []


def test_the_end_of_an_urgent_notice_goes_the_same_ways(town: Push) -> None:
    town.publish("n1", life=True, contacts=True, relays=True, regions=(DANLENG, "510185"))
    note = town.cancel("n1")
    assert (note.life, note.contacts, note.relays, note.region) == (True, True, True, "510000")


def test_a_note_reaches_nobody_its_sender_could_not_have_told(town: Push) -> None:
    staff, admin = town.actor("staff"), town.actor("admin")
    town.publish("n1", by=staff, regions=(DANLENG,))
    town.publish("n2", by=admin, kind="update", refers_to=("n1",), regions=("510000",))
    town.cancel("n1", by=staff, ikey="a", body="县里的话。")
    assert town.inbox("du") == ["n2"] and "a" in town.inbox("cai")
    town.cancel("n2", by=admin, ikey="b")
    assert town.inbox("du") == town.inbox("cai") == ["b"]
    assert town.notice("a").state == "superseded"


def test_of_two_senders_each_ends_his_own_part_of_a_thread(town: Push) -> None:
    town.person("other", roles=[("staff", "510185")])
    town.publish("n1", by=town.actor("staff"), regions=(DANLENG,))
    town.publish("n2", by=town.actor("other"), regions=("510185",))
    town.publish("n3", by=town.actor("admin"), kind="update", refers_to=("n1", "n2"), regions=(DONGPO,))
    town.cancel("n1", by=town.actor("staff"), ikey="a")
    town.cancel("n2", by=town.actor("other"), ikey="b")
    assert [town.inbox(p) for p in ("an", "cai", "du")] == [["n3"], ["a"], ["b"]]


@pytest.mark.parametrize("kind", ["update", "cancel"])
def test_what_somebody_hid_stays_hidden_when_his_account_is_gone(town: Push, kind: str) -> None:
    staff = town.actor("staff")
    town.publish("n1", by=staff)
    town.publish("n2", by=staff, kind=kind, refers_to=("n1",), regions=(MEISHAN,))
    town.writing(lambda u: erase(system(), u, u.session.get_one(User, town.people["staff"])))
    town.publish("n3", by=town.actor("admin"), kind="update", refers_to=("n2",))
    hidden = "superseded" if kind == "update" else "cancelled"
    assert town.notice("n1").state == hidden
    assert "n1" not in town.inbox("an")


def test_only_the_sender_or_an_administrator_of_the_region_changes_a_notice(town: Push) -> None:
    town.person("colleague", roles=[("staff", MEISHAN)])
    town.person("elsewhere", roles=[("admin", "510100")])
    town.publish("n1", by=town.actor("staff"))
    for login in ("colleague", "elsewhere"):
        with pytest.raises(Forbidden):
            town.cancel("n1", by=town.actor(login))
    with pytest.raises(Forbidden):
        town.publish("n2", by=town.actor("colleague"), kind="update", refers_to=("n1",))
    assert town.inbox("an") == ["n1"]
    town.cancel("n1", by=town.actor("admin"))
    assert town.inbox("an") == ["cancel:n1"]


def test_a_strangers_cancellation_that_arrives_first_hides_nothing(town: Push) -> None:
    town.person("colleague", roles=[("staff", MEISHAN)])
    town.cancel("n1", by=town.actor("colleague"))
    town.publish("n1", by=town.actor("staff"))
    assert town.inbox("an") == ["n1"]


def test_a_stranger_cannot_tie_two_threads_together(town: Push) -> None:
    town.person("colleague", roles=[("staff", MEISHAN)])
    town.publish("tie", by=town.actor("colleague"), kind="update", refers_to=("a", "b"))
    town.publish("a", by=town.actor("staff"))
    town.publish("b", by=town.actor("staff"))
    town.cancel("a", by=town.actor("staff"))
    assert sorted(town.inbox("an")) == ["b", "cancel:a", "tie"]


def test_the_log_tells_what_became_of_each(town: Push) -> None:
    town.publish("n1")
    town.publish("n2", kind="update", refers_to=("n1",))
    town.cancel("n2")
    names = sa.select(Event.name).where(Event.subject_type == "notice").order_by(Event.id)
    assert town.reading(lambda u: u.session.scalars(names).all()) == [
        "notice.published", "notice.superseded", "notice.published", "notice.cancelled", "notice.cancelled",
        "notice.published",
    ]  # fmt: skip


# Any order ----------------------------------------------------------------------------------------------

STORY = (
    Draft("a", title="一", regions=(MEISHAN,)),
    Draft("b", title="二", regions=(DANLENG,), kind="update", refers_to=("a",)),
    Draft("c", title="三", regions=(DONGPO, DANLENG), kind="update", refers_to=("b",)),
    Draft("x", title="无关", regions=(MEISHAN,)),
    Draft("z", kind="cancel", body="结束", refers_to=("b",)),
)


def named(draft: Draft, prefix: str) -> Draft:
    """``draft`` in a world of its own."""
    return replace(draft, ikey=prefix + draft.ikey, refers_to=tuple(prefix + key for key in draft.refers_to))


def outcome(push: Push, drafts: Any, prefix: str) -> dict[str, Any]:
    """What every inbox shows of these messages after they arrived in this order."""
    for draft in drafts:
        with push.site.writing() as unit:
            publish(system(), unit, named(draft, prefix))
    found = {}
    with push.site.reading() as unit:
        for login in ("an", "cai", "du"):
            shown = [i.notice for i in inbox.inbox(Actor(push.people[login], login), unit, limit=100).items]
            found[login] = sorted((n.ikey.removeprefix(prefix), n.title) for n in shown)
    with push.site.writing() as unit:
        # The next order finds empty inboxes.
        unit.session.execute(sa.delete(Notice).where(Notice.ikey.startswith(prefix)))
    return found


def test_every_order_of_five_messages_ends_in_the_same_inboxes(town: Push) -> None:
    found = [outcome(town, order, f"{n:03}.") for n, order in enumerate(itertools.permutations(STORY))]
    assert len(found) == 120
    assert found[0] == {"an": [("x", "无关"), ("z", "一")], "cai": [("x", "无关"), ("z", "一")], "du": []}
    assert all(f == found[0] for f in found)


KEYS = "abcde"


@st.composite
def stories(draw: Any) -> tuple[list[Draft], list[Draft]]:
    """Up to five messages that refer to each other at will, in two orders, with repetitions."""
    drafts = []
    for key in KEYS[: draw(st.integers(1, 5))]:
        kind = draw(st.sampled_from(("notice", "update", "update", "cancel")))
        others = st.sets(st.sampled_from([k for k in KEYS if k != key]), min_size=1, max_size=3)
        refers = tuple(sorted(draw(others))) if kind != "notice" else ()
        where = draw(st.sampled_from((MEISHAN, DANLENG, DONGPO)))
        drafts.append(Draft(key, title=key, kind=kind, refers_to=refers, regions=(where,)))
    extra = st.lists(st.sampled_from(drafts), max_size=3)
    return draw(st.permutations(drafts + draw(extra))), draw(st.permutations(drafts + draw(extra)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories())
def test_any_order_and_repetition_ends_in_the_same_inboxes(town: Push, story: Any) -> None:
    one, other = story
    assert outcome(town, one, "p.") == outcome(town, other, "q.")


@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 7), max_size=3)), max_size=8), st.randoms())
def test_what_becomes_of_messages_does_not_depend_on_their_order(messages: Any, random: Any) -> None:
    told = [
        Told(n, f"k{n}", cancels, frozenset(f"k{r}" for r in refers), True, "one")
        for n, (cancels, refers) in enumerate(messages)
    ]
    shuffled = random.sample(told, len(told))
    one, other = settle(told, lambda a, b: True), settle(shuffled, lambda a, b: True)
    assert one == other
    threads = {f.thread for f in one.values()}
    for thread in threads:
        here = [m for m in told if one[m.id].thread == thread]
        shown = [m for m in here if one[m.id].state == "published"]
        # Something is always shown; after a cancellation it is the note alone.
        assert shown
        if any(m.cancels for m in here):
            assert len(shown) == 1 and shown[0].cancels
