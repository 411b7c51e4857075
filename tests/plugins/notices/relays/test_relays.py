"""Relays: they are asked, they read by their link, they confirm, and the last word counts."""

from __future__ import annotations

import datetime as dt
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.access import system
from keyun.errors import Conflict, Forbidden, Invalid, NotFound
from keyun_notices.outbox.channels.webhook import reaches
from keyun_notices.relays import services
from keyun_notices.relays.models import Relay
from tests.plugins.notices.conftest import DANLENG, DONGPO, JIANYANG, MEISHAN, SICHUAN
from tests.plugins.notices.relays.conftest import Relays


def test_relays_that_lie_whole_inside_the_notice_are_asked(relays: Relays) -> None:
    for name, region in (("dong", DONGPO), ("dan", DANLENG), ("mei", MEISHAN), ("jian", JIANYANG)):
        relays.add(name, region)
    relays.push.publish("county", regions=(DONGPO,), relays=True)
    relays.push.publish("city", regions=(MEISHAN,), relays=True)
    relays.push.publish("none", regions=(MEISHAN,))
    assert relays.asked("county") == {"dong"}
    assert relays.asked("city") == {"dong", "dan", "mei"}
    assert relays.asked("none") == set()
    assert relays.tasks("dong") == ["city", "county"]
    assert relays.tasks("mei") == ["city"]
    assert relays.tasks("jian") == []


def test_a_relay_is_asked_where_the_audience_may_mean_somebody(relays: Relays) -> None:
    relays.add("dong")
    relays.add("dan", DANLENG)
    here = {"attribute": "region", "within": [DONGPO]}
    skilled = {"attribute": "level", "is": 3}
    for ikey, audience in (
        ("region", here),
        ("both", {"all": [here, skilled]}),
        ("without", {"not": {"any": [here, skilled]}}),
        ("skilled", skilled),
    ):
        relays.push.publish(ikey, audience=audience, relays=True)
    assert [relays.asked(k) for k in ("region", "both", "without")] == [{"dong"}, {"dong"}, {"dan"}]
    assert relays.asked("skilled") == {"dong", "dan"}
    assert relays.tasks("dan") == ["skilled", "without"]
    with pytest.raises(NotFound):
        relays.say("dan", "region", 5)


def test_a_relay_set_up_later_reads_what_is_active_and_was_not_asked(relays: Relays) -> None:
    relays.push.publish("n1", regions=(MEISHAN,), relays=True)
    relays.add("late", DANLENG)
    assert relays.asked("n1") == set()
    assert relays.tasks("late") == ["n1"]
    assert relays.say("late", "n1", 40).headcount == 40


def test_what_is_over_or_not_yet_begun_is_not_to_be_passed_on(relays: Relays) -> None:
    relays.add("dong")
    now = relays.push.clock.now
    relays.push.publish("short", regions=(DONGPO,), relays=True, expires_at=now + dt.timedelta(hours=1))
    relays.push.publish("later", regions=(DONGPO,), relays=True, starts_at=now + dt.timedelta(hours=2))
    assert relays.tasks("dong") == ["short"]
    relays.push.clock.tick(dt.timedelta(hours=1))
    assert relays.tasks("dong") == []
    relays.push.work(hours=1)
    assert relays.tasks("dong") == ["later"]
    assert relays.say("dong", "short", 5).headcount == 5, "a late confirmation of what was asked counts"


def test_a_cancellation_takes_the_place_of_what_it_ends(relays: Relays) -> None:
    relays.add("dong")
    relays.add("jian", JIANYANG)
    relays.push.publish("n1", regions=(DONGPO,), relays=True)
    note = relays.push.cancel("n1")
    assert relays.tasks("dong") == [note.ikey]
    assert relays.asked(note.ikey) == {"dong"}
    assert relays.tasks("jian") == []


def test_the_last_word_counts_and_every_word_is_kept(relays: Relays) -> None:
    relays.add("dong")
    relays.push.publish("n1", relays=True)
    for headcount in (100, 120, 120, 90):
        relays.push.clock.tick(dt.timedelta(minutes=1))
        relays.say("dong", "n1", headcount)
    last = relays.said("dong", "n1")
    assert last is not None and (last.headcount, last.revision) == (90, 3)
    assert last.at == relays.push.clock.now
    assert relays.history("dong", "n1") == [(1, 100), (2, 120), (3, 90)]


def test_a_repeat_with_the_same_moment_changes_nothing_and_a_corrected_moment_does(relays: Relays) -> None:
    relays.add("dong")
    relays.push.publish("n1", relays=True)
    at = relays.push.clock.now
    relays.push.clock.tick(dt.timedelta(hours=1))
    for _ in range(3):
        assert relays.say("dong", "n1", 100, at).revision == 1
    assert relays.say("dong", "n1", 100, at + dt.timedelta(minutes=9)).revision == 2


@pytest.mark.parametrize("wrong", [-1, 100_000_001])
def test_a_number_that_nobody_can_reach_is_refused(relays: Relays, wrong: int) -> None:
    relays.add("dong")
    relays.push.publish("n1", relays=True)
    with pytest.raises(Invalid):
        relays.say("dong", "n1", wrong)
    assert relays.said("dong", "n1") is None


def test_more_people_than_live_there_are_refused_with_the_number_and_its_source(relays: Relays) -> None:
    relays.add("dong")
    relays.add("dan", DANLENG)
    relays.push.publish("n1", relays=True)
    assert relays.say("dong", "n1", 99_000_000).headcount == 99_000_000, "nothing is known about the place"
    relays.population(r511402=800_000, r511400=2_955_000)
    with pytest.raises(Invalid, match=r"800000.*普查.*2020-11-01"):
        relays.say("dong", "n1", 800_001)
    assert relays.say("dong", "n1", 800_000).headcount == 800_000
    with pytest.raises(Invalid, match="2955000"):
        relays.say("dan", "n1", 2_955_001)
    with pytest.raises(Invalid):
        relays.add("too many", headcount=800_001)


@pytest.mark.parametrize("minutes", [6, -6])
def test_a_moment_before_the_notice_or_ahead_is_refused(relays: Relays, minutes: int) -> None:
    relays.add("dong")
    relays.push.publish("n1", relays=True)
    with pytest.raises(Invalid):
        relays.say("dong", "n1", 5, relays.push.clock.now + dt.timedelta(minutes=minutes))


def test_one_notice_can_be_corrected_a_hundred_times(relays: Relays) -> None:
    relays.add("dong")
    relays.push.publish("n1", relays=True)
    for n in range(100):
        relays.say("dong", "n1", n)
    with pytest.raises(Conflict):
        relays.say("dong", "n1", 100)
    assert relays.say("dong", "n1", 99).revision == 100


def test_a_relay_says_nothing_about_what_does_not_concern_it(relays: Relays) -> None:
    relays.add("jian", JIANYANG)
    relays.push.publish("n1", regions=(MEISHAN,), relays=True)
    relays.push.publish("n2", regions=(JIANYANG,))
    for ikey in ("n1", "n2"):
        with pytest.raises(NotFound):
            relays.say("jian", ikey, 5)


def test_many_confirmations_at_once_leave_one_last_word_and_a_history_without_gaps(relays: Relays) -> None:
    relays.add("dong")
    relays.push.publish("n1", relays=True)
    numbers = [random.Random(7).randrange(1000) for _ in range(16)] + [55] * 8
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: relays.say("dong", "n1", n), numbers))
    last, history = relays.said("dong", "n1"), relays.history("dong", "n1")
    assert last is not None
    assert [r for r, _ in history] == list(range(1, last.revision + 1))
    assert history[-1] == (last.revision, last.headcount)
    assert all(a[1] != b[1] for a, b in pairwise(history)), "the same word twice"


def test_the_same_confirmation_many_times_at_once_is_one(relays: Relays) -> None:
    relays.add("dong")
    relays.push.publish("n1", relays=True)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: relays.say("dong", "n1", 30), range(24)))
    assert relays.history("dong", "n1") == [(1, 30)]


def test_a_key_is_stored_as_a_hash_and_opens_one_relay(relays: Relays) -> None:
    one, other = relays.add("one"), relays.add("other")
    with relays.site.reading() as unit:
        assert services.by_key(unit, relays.keys["one"]).id == one.id
        assert services.by_key(unit, relays.keys["other"]).id == other.id
        stored = str(unit.session.execute(sa.text("SELECT * FROM notices_relay")).all())
        assert relays.keys["one"] not in stored
        for guess in (
            "",
            "relay_",
            relays.keys["one"][:-1],
            relays.keys["one"].upper(),
            one.digest,
            "\ud800",
        ):
            with pytest.raises(NotFound):
                services.by_key(unit, guess)


def test_a_new_key_ends_the_old_one_and_a_closed_relay_has_none(relays: Relays) -> None:
    relay, old = relays.add("one"), None
    old = relays.keys["one"]
    with relays.site.writing() as unit:
        _, new = services.rotate(system(), unit, relay.public_id)
    with relays.site.reading() as unit:
        assert services.by_key(unit, new).id == relay.id
        with pytest.raises(NotFound):
            services.by_key(unit, old)
    relays.push.publish("n1", relays=True)
    for _ in range(2):
        with relays.site.writing() as unit:
            services.close(system(), unit, relay.public_id)
    relays.push.publish("n2", relays=True)
    with relays.site.reading() as unit, pytest.raises(NotFound):
        services.by_key(unit, new)
    with relays.site.writing() as unit, pytest.raises(Conflict):
        services.rotate(system(), unit, relay.public_id)
    assert relays.asked("n1") == {"one"} and relays.asked("n2") == set()


def test_a_relay_with_a_webhook_is_told_there_and_no_longer_once_it_is_closed(relays: Relays) -> None:
    told = relays.add("told", webhook="https://speaker.example.org/in?key=1")
    quiet = relays.add("quiet")
    ids = [told.id, quiet.id]
    with relays.site.reading() as unit:
        found = reaches(unit, "relay", ids)
        assert found == {told.id: f"{told.public_id} https://speaker.example.org/in?key=1"}
    with relays.site.writing() as unit:
        services.close(system(), unit, told.public_id)
    with relays.site.reading() as unit:
        assert reaches(unit, "relay", ids) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "drone"},
        {"name": ""},
        {"region": "999999"},
        {"webhook": "ftp://x.example"},
        {"webhook": "https://user@x.example/"},
        {"manager": "nobody"},
        *({"headcount": n} for n in (-1, "12.5", "１２", True)),
    ],
)
def test_a_relay_needs_values_that_can_be(relays: Relays, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        relays.add(**{"name": "屏幕"} | wrong)
    with relays.site.reading() as unit:
        assert unit.session.scalar(sa.select(sa.func.count()).select_from(Relay)) == 0


def test_staff_see_and_change_relays_of_their_own_region_only(relays: Relays) -> None:
    push = relays.push
    push.person("staff", roles=[("staff", MEISHAN)])
    actor = push.actor("staff")
    mine, other = relays.add("mine", by=actor), relays.add("other", JIANYANG)
    with relays.site.reading() as unit:
        assert [r.id for r in services.relays(actor, unit).items] == [mine.id]
    with pytest.raises(Forbidden):
        relays.add("there", JIANYANG, by=actor)
    for act in (services.rotate, services.close, services.relay):
        with relays.site.writing() as unit, pytest.raises(NotFound):
            act(actor, unit, other.public_id)
    data = {"kind": "screen", "name": "屏幕", "region": SICHUAN}
    with relays.site.writing() as unit, pytest.raises(Forbidden):
        services.change(actor, unit, mine.public_id, data)


def test_whoever_looks_after_a_relay_confirms_for_it_and_for_no_other(relays: Relays) -> None:
    push = relays.push
    push.persons("holder", "reader")
    mine, other = relays.add("mine", manager="holder"), relays.add("other")
    with relays.site.reading() as unit:
        actor = push.actor("holder")
        assert [r.id for r in services.mine(actor, unit)] == [mine.id]
        assert services.relay(actor, unit, mine.public_id, services.PASS).id == mine.id
        with pytest.raises(NotFound):
            services.relay(actor, unit, other.public_id, services.PASS)
        with pytest.raises(NotFound):
            services.relay(push.actor("reader"), unit, mine.public_id, services.PASS)
        with pytest.raises(NotFound):
            services.relay(actor, unit, mine.public_id)
