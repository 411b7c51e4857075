"""Folding counts everything exactly once, whatever comes between."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter as Tally
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from keyun.access import system
from keyun.errors import Conflict
from keyun.testing import Clock, MakeSite
from keyun_usage import archive, erasing, folding, places, storing
from keyun_usage.folding import fold_file, store
from keyun_usage.grouping import as_number
from keyun_usage.models import Counter, Part, People
from tests.plugins.usage.conftest import CHENGDU, DANLENG, DONGPO, NOON, Usage, Use

DAY = dt.timedelta(days=1)
RETIRED, SUCCESSOR = 513425, "513402"


def counters(usage: Usage) -> dict[tuple[int, int, str, int], tuple[int, int]]:
    """By day, region, channel and verdict: person-times of users and visitors."""
    with usage.site.reading() as unit:
        words = storing.texts(unit.session)
        found: Tally[Any] = Tally()
        for c in unit.session.scalars(sa.select(Counter)):
            found[c.day, c.region, words[c.channel], c.verdict, "u"] += c.users
            found[c.day, c.region, words[c.channel], c.verdict, "v"] += c.visitors
    keys = {k[:4] for k in found}
    return {k: (found[(*k, "u")], found[(*k, "v")]) for k in keys}


def people(usage: Usage) -> dict[tuple[int, int], set[int]]:
    """By month and region: who came."""
    found: dict[tuple[int, int], set[int]] = {}
    with usage.site.reading() as unit:
        for month, region, bits in unit.session.execute(sa.select(People.month, People.region, People.bits)):
            found.setdefault((month, region), set()).update(BitMap.deserialize(bits))
    return found


def test_person_times_and_people_are_counted_apart_from_visitors(usage: Usage) -> None:
    usage.write(
        Use(1), Use(1), Use(2, DONGPO), Use(2**63, registered=False), Use(2**63 + 1, registered=False)
    )
    assert usage.fold() == 5
    assert counters(usage) == {(20261124, DANLENG, "web", 0): (2, 2), (20261124, DONGPO, "web", 0): (1, 0)}
    assert people(usage) == {(202611, DANLENG): {1}, (202611, DONGPO): {2}}


def test_what_is_appended_later_is_added_and_folding_again_adds_nothing(usage: Usage) -> None:
    spool = usage.spool()
    for round_number in range(1, 4):
        Use(round_number).into(spool)
        spool.flush()
        assert usage.fold() == 1
        assert usage.fold() == 0
        assert usage.report().distinct.people == round_number
    assert counters(usage) == {(20261124, DANLENG, "web", 0): (3, 0)}


def test_a_day_is_the_local_day_and_a_month_the_local_month(usage: Usage) -> None:
    # 16:00 in UTC is midnight in Shanghai.
    usage.write(
        Use(1, at=dt.datetime(2026, 10, 31, 15, 59, 59, tzinfo=dt.UTC)),
        Use(2, at=dt.datetime(2026, 10, 31, 16, 0, 0, tzinfo=dt.UTC)),
    )
    usage.fold()
    assert {k[0] for k in counters(usage)} == {20261031, 20261101}
    assert people(usage) == {(202610, DANLENG): {1}, (202611, DANLENG): {2}}


def test_an_unknown_place_is_no_place_and_never_a_wider_one(usage: Usage) -> None:
    usage.write(Use(1, region=0), Use(2, region=511999), Use(3, region=4_000_000_000), Use(4))
    assert usage.fold() == 4
    assert counters(usage) == {(20261124, 0, "web", 0): (3, 0), (20261124, DANLENG, "web", 0): (1, 0)}
    made = usage.report()
    assert (made.total.counted, made.unplaced, made.distinct.people) == (1, 3, 1)


def test_a_retired_code_counts_for_its_successor(usage: Usage) -> None:
    usage.write(Use(1, region=RETIRED), Use(2, region=int(SUCCESSOR)))
    usage.fold()
    assert people(usage) == {(202611, int(SUCCESSOR)): {1, 2}}
    assert usage.report(str(RETIRED)).total.counted == 2


def test_a_clock_that_was_set_back_or_years_ahead_changes_only_the_days(usage: Usage) -> None:
    moments = [NOON, NOON - 40 * DAY, NOON - DAY, NOON + 4000 * DAY, NOON - 9000 * DAY]
    usage.write(*(Use(n, at=at) for n, at in enumerate(moments, 1)))
    assert usage.fold() == 5
    assert sum(u for u, _ in counters(usage).values()) == 5
    assert usage.report(start=dt.date(2026, 11, 24), end=dt.date(2026, 11, 24)).total.counted == 1


def test_robots_and_prefetching_are_excluded_and_named(usage: Usage) -> None:
    usage.write(Use(1), Use(1, agent="prefetch"), Use(9, agent="robot", registered=False))
    usage.fold()
    made = usage.report()
    assert (made.total.counted, made.total.excluded) == (1, 2)
    assert {(e.code, e.records) for e in made.excluded} == {("robot", 1), ("prefetch", 1)}
    assert made.rules[0].id == "opened-1"


def test_a_killed_process_and_its_torn_tail_are_said(usage: Usage) -> None:
    path = usage.write(Use(1), Use(2), end=False)
    usage.spools[-1]._begin()  # The process is gone without a word.
    with path.open("ab") as f:
        f.write(b"KYU1\x03\x18")
    assert usage.fold() == 2
    made = usage.report()
    assert (made.total.counted, made.lost, made.killed) == (2, 1, 1)
    assert not path.exists()


def test_figures_of_a_day_say_for_good_what_is_missing_and_other_days_do_not(
    usage: Usage, clock: Clock
) -> None:
    usage.write(Use(1), end=False)
    usage.spools[-1]._begin()
    usage.write(Use(2, at=NOON - 40 * DAY))
    usage.fold()
    october = usage.report(start=dt.date(2026, 10, 1), end=dt.date(2026, 10, 31))
    assert (usage.report().killed, october.total.counted, october.killed) == (1, 1, 0)
    clock.tick(200 * DAY)
    erasing.sweep(usage.site, 90)
    assert usage.report().killed == 1


def test_a_complete_file_becomes_raw_files_by_day(usage: Usage) -> None:
    usage.write(Use(1), Use(2, at=NOON - DAY), Use(3, at=NOON - DAY))
    usage.fold()
    assert list(usage.folder.glob("*")) == []
    (path,) = archive.files(usage.raw, dt.date(2026, 11, 23))
    batch = archive.read(path)
    assert sorted(int(p) for p in batch.records["person"]) == [2, 3]
    assert batch.words[int(batch.records["channel"][0])] == "web"


STEPS = (
    (storing, "advance"),
    (storing, "pin_days"),
    (storing, "add_rows"),
    (storing, "put_people"),
    (storing, "set_progress"),
    (folding, "keep_raw"),
    (archive, "write_file"),
    (Path, "unlink"),
)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[name for _, name in STEPS])
def test_an_end_at_any_step_counts_nothing_twice_and_loses_nothing(
    usage: Usage, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, late: bool
) -> None:
    usage.write(Use(1), Use(2, DONGPO), Use(3, at=NOON - DAY))
    real: Callable[..., Any] = getattr(owner, name)

    def ends(*args: Any, **more: Any) -> Any:
        if late:
            real(*args, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(owner, name, ends)
        with pytest.raises(KeyboardInterrupt):
            usage.fold()
    usage.fold()
    usage.fold()
    assert sum(u for u, _ in counters(usage).values()) == 3
    assert people(usage) == {(202611, DANLENG): {1, 3}, (202611, DONGPO): {2}}
    days = archive.days(usage.raw)
    kept = [len(archive.read(p)) for day in days for p in archive.files(usage.raw, day)]
    assert (sum(kept), list(usage.folder.glob("*.spool"))) == (3, [])


def test_whoever_folds_the_same_piece_second_adds_nothing(usage: Usage) -> None:
    path = usage.write(Use(1), Use(2))
    step = folding._next_step(usage.site, path, path.stem, None)
    assert step is not None
    assert fold_file(usage.site, path) == 2
    with pytest.raises(Conflict), usage.site.writing() as unit:
        store(system(), unit, step)
    assert counters(usage) == {(20261124, DANLENG, "web", 0): (2, 0)}


def test_two_pieces_that_meet_the_same_month_both_stay(usage: Usage) -> None:
    one, other = usage.write(Use(1)), usage.write(Use(2))
    steps = [folding._next_step(usage.site, p, p.stem, None) for p in (one, other)]
    assert fold_file(usage.site, one) == 1
    assert steps[1] is not None
    with pytest.raises(Conflict), usage.site.writing() as unit:
        store(system(), unit, steps[1])
    assert fold_file(usage.site, other) == 1
    assert people(usage) == {(202611, DANLENG): {1, 2}}


def test_two_who_fold_at_once_count_everything_once(usage: Usage, make_site: MakeSite) -> None:
    paths = [usage.write(*(Use(n * 100 + k) for k in range(100))) for n in range(6)]
    sites = [usage.site, make_site(instance=usage.site.runtime.instance)]
    done, failures = list[int](), list[BaseException]()

    def work(which: int) -> None:
        try:
            for path in paths if which else reversed(paths):
                while True:
                    try:
                        done.append(fold_file(sites[which], path))
                        break
                    except Conflict:
                        continue
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
    assert sum(done) == 600
    assert counters(usage) == {(20261124, DANLENG, "web", 0): (600, 0)}
    assert people(usage) == {(202611, DANLENG): set(range(600))}


def test_one_machine_folds_once_at_a_time(usage: Usage) -> None:
    usage.write(Use(1))
    with places.alone(usage.site.runtime.instance, wait=False) as mine:
        assert mine
        assert usage.fold() == 0
    assert usage.fold() == 1


def test_a_file_that_a_crash_left_behind_is_not_counted_again(usage: Usage) -> None:
    path = usage.write(Use(1))
    content = path.read_bytes()
    usage.fold()
    path.write_bytes(content)
    assert usage.fold() == 0
    assert not path.exists()
    with usage.site.reading() as unit:
        assert unit.session.scalar(sa.select(Part.state)) == "archived"


uses = st.builds(
    Use,
    person=st.integers(1, 6),
    region=st.sampled_from([DANLENG, DONGPO, CHENGDU, 0]),
    at=st.integers(0, 20).map(lambda n: NOON + n * dt.timedelta(hours=7)),
    registered=st.booleans(),
    channel=st.sampled_from(["web", "phone"]),
    agent=st.sampled_from(["browser", "robot"]),
)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(0, 1), uses),
        st.tuples(st.sampled_from(["flush", "close", "kill"]), st.integers(0, 1), st.none()),
        st.tuples(st.just("fold"), st.just(0), st.none()),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_counters_and_people_are_the_truth_for_any_interleaving(usage: Usage, script: list[Any]) -> None:
    clear(usage)
    spools = [usage.spool(), usage.spool()]
    held: list[list[Use]] = [[], []]
    handed: list[Use] = []
    for action, which, use in script:
        spool = spools[which]
        if action == "use":
            use.into(spool)
            held[which].append(use)
        elif action in ("flush", "close"):
            getattr(spool, action)()
            handed += held[which]
            held[which] = []
        elif action == "kill":
            # What was not handed over dies with the process.
            spool._begin()
            held[which] = []
        else:
            usage.fold()
    for which, spool in enumerate(spools):
        spool.close()
        handed += held[which]
    usage.fold()
    expected: Tally[Any] = Tally()
    who: dict[tuple[int, int], set[int]] = {}
    for use in handed:
        day = use.at.astimezone(usage.site.timezone).date()
        number, verdict = as_number(day), int(use.agent == "robot")
        expected[number, use.region, use.channel, verdict, use.registered] += 1
        if use.registered and not verdict:
            who.setdefault((number // 100, use.region), set()).add(use.person)
    keys = {k[:4] for k in expected}
    assert counters(usage) == {k: (expected[(*k, True)], expected[(*k, False)]) for k in keys}
    assert people(usage) == who


def clear(usage: Usage) -> None:
    """Begin with nothing, as each example does."""
    for folder in (usage.folder, usage.raw):
        for path in folder.rglob("*.*"):
            if path.is_file():
                path.unlink()
    with usage.site.writing() as unit:
        for model in (Counter, People, Part):
            unit.session.execute(sa.delete(model))
