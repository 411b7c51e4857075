"""The window of raw records: another rule, comparing, a past from elsewhere."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from keyun.access import Actor, system
from keyun.errors import Conflict, Forbidden, Invalid
from keyun.testing import Clock, MakeSite
from keyun_usage import archive, erasing, grouping, importing, storing, window
from keyun_usage.models import Counter, Part, People
from keyun_usage.reading import DTYPE, Batch
from keyun_usage.rules import Rule, active, find, judged, opened, rules
from tests.plugins.usage.conftest import CHENGDU, DONGPO, NOON, Usage, Use
from tests.plugins.usage.test_figures import keyun

WritePlugin = Callable[..., Path]
DAY = dt.timedelta(days=1)
STRICT = """
import numpy as np
from keyun.plugins import Plugin, hookimpl
from keyun_usage.rules import Reason, Rule

def judge(batch):
    return batch.among("channel", "web").astype(np.uint8)

class P(Plugin):
    @hookimpl(optionalhook=True)
    def keyun_usage_rules(self):
        yield Rule("strict", 2, "网页不计。", "No web pages.", (Reason("web", "网页", "web"),), judge)
"""
FAILING = """
from keyun.plugins import Plugin, hookimpl

class P(Plugin):
    @hookimpl(optionalhook=True)
    def keyun_usage_rules(self):
        raise RuntimeError("no rules today")
"""


def strict(name: str = "phones", version: int = 1) -> Rule:
    return Rule(
        name,
        version,
        "只计手机。",
        "Phones only.",
        opened().reasons[:1],
        lambda b: ~b.among("channel", "phone"),
    )


def verified(usage: Usage) -> window.Verified:
    return window.verify(system(), usage.site, 90)


def recounted(usage: Usage, start: dt.date, rule: Rule) -> window.Verified:
    return window.recount(system(), usage.site, start, rule, 90, lambda _text: None)


def everything(usage: Usage) -> list[int]:
    """The account numbers in every raw file."""
    files = [p for day in archive.days(usage.raw) for p in archive.files(usage.raw, day)]
    return [int(p) for path in files for p in archive.read(path).records["person"]]


@pytest.fixture
def autumn(usage: Usage) -> Usage:
    """October and November, a day of November still in an open file."""
    october = NOON - 30 * DAY
    usage.write(Use(1, at=october - 23 * DAY), Use(1, at=october, channel="phone"), Use(2, at=october))
    usage.write(Use(3), Use(3, channel="phone"), Use(4, DONGPO, channel="phone"))
    usage.write(Use(5, CHENGDU), Use(6, CHENGDU, registered=False), end=False)
    usage.fold()
    return usage


# Rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_hook_usage_rules_brings_a_rule_that_the_operator_chooses(
    make_site: MakeSite, write_plugin: WritePlugin
) -> None:
    write_plugin("puritan", STRICT, 'after = ["usage"]')
    site = make_site("popsci", "usage", "puritan", config={"plugin": {"usage": {"rule": "strict-2"}}})
    assert set(rules(site)) == {"opened-1", "strict-2"}
    assert active(site).id == "strict-2"
    usage = Usage(site, [])
    usage.write(Use(1), Use(2, channel="phone"))
    usage.fold()
    made = usage.report()
    assert (made.total.counted, made.total.excluded, made.distinct.people) == (1, 1, 1)
    assert [(e.rule, e.code) for e in made.excluded] == [("strict-2", "web")]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_plugin_whose_rules_fail_brings_none_and_stops_nothing(
    make_site: MakeSite, write_plugin: WritePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin("broken", FAILING, 'after = ["usage"]')
    site = make_site("usage", "broken")
    assert set(rules(site)) == {"opened-1"}
    assert "keyun_usage_rules" in caplog.text
    with pytest.raises(Invalid, match="opened-1"):
        find(site, "strict-2")


@pytest.mark.parametrize(
    "verdicts", [np.array([0, 2]), np.array([0, -1]), np.array([0.5, 0]), np.array([0]), np.array([[0, 0]])]
)
def test_a_rule_that_answers_with_anything_else_is_refused(verdicts: Any) -> None:
    batch = Batch(np.zeros(2, DTYPE), {})
    rule = replace(strict(), judge=lambda _batch: verdicts)
    with pytest.raises(ValueError, match="from 0 to 1 for each"):
        judged(rule, batch)


# Counting again ---------------------------------------------------------------------------------------------


def test_a_new_rule_counts_the_window_again_and_older_figures_keep_theirs(autumn: Usage) -> None:
    done = recounted(autumn, dt.date(2026, 10, 20), strict())
    assert (done.days, done.months) == (2, 1)
    assert done.left_out == ["people of 202610: raw records do not cover the month; the older rule stays"]
    november = autumn.report()
    assert (november.total.counted, november.total.excluded, november.distinct.people) == (2, 3, 2)
    assert november.distinct.rules == ("phones-1",)
    both = autumn.report(start=dt.date(2026, 10, 1), end=dt.date(2026, 11, 30))
    assert {u.id: (u.first_day, u.last_day) for u in both.rules} == {
        "opened-1": (dt.date(2026, 10, 2), dt.date(2026, 10, 2)),
        "phones-1": (dt.date(2026, 10, 25), dt.date(2026, 11, 24)),
    }
    october = autumn.report(start=dt.date(2026, 10, 1), end=dt.date(2026, 10, 31))
    assert (october.distinct.people, october.distinct.rules) == (2, ("opened-1",))


def test_counting_again_by_the_same_rule_changes_nothing(autumn: Usage) -> None:
    before = autumn.report(start=dt.date(2026, 10, 1))
    for _ in range(2):
        recounted(autumn, dt.date(2026, 10, 1), opened())
    after = autumn.report(start=dt.date(2026, 10, 1))
    assert (after.total, after.distinct, after.by_place) == (before.total, before.distinct, before.by_place)
    assert verified(autumn).wrong == []


def test_a_late_record_follows_the_rule_of_its_day(autumn: Usage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "keyun_usage.folding.rules", lambda _site: {"opened-1": opened(), "phones-1": strict()}
    )
    recounted(autumn, dt.date(2026, 11, 1), strict())
    autumn.write(Use(9), Use(9, channel="phone"))
    autumn.fold()
    made = autumn.report()
    assert (made.total.counted, made.total.excluded) == (3, 4)
    assert [u.id for u in made.rules] == ["phones-1"]


def test_nothing_stays_of_a_rule_that_is_not_loaded_any_more(autumn: Usage) -> None:
    recounted(autumn, dt.date(2026, 11, 1), strict())
    # Nobody here knows that rule, so a late record of its day follows the active one.
    autumn.write(Use(9))
    autumn.fold()
    assert len(autumn.report().rules) == 2
    assert any("20261124" in text or "2026-11-24" in text for text in verified(autumn).left_out)
    for rule in (strict(), opened()):
        recounted(autumn, dt.date(2026, 11, 1), rule)
        made = autumn.report()
        assert made.total.counted + made.total.excluded == 6
        assert ([u.id for u in made.rules], made.distinct.rules) == ([rule.id], (rule.id,))
    assert verified(autumn).wrong == []


def test_figures_by_two_rules_of_one_day_are_wrong(autumn: Usage) -> None:
    with autumn.site.writing() as unit:
        stray = grouping.Row(20261124, DONGPO, "web", "popsci.article", "stray-1", 0, 3, 0)
        storing.add_rows(unit.session, [stray])
    (wrong,) = verified(autumn).wrong
    assert "stray-1" in wrong


def test_a_file_that_was_packed_halfway_is_counted_once(
    usage: Usage, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage.write(Use(1), Use(2, at=NOON - DAY))
    real = archive.write

    def full(folder: Path, day: dt.date, *more: Any) -> Path:
        if day == NOON.date():
            raise OSError("the disk is full")
        return real(folder, day, *more)

    with monkeypatch.context() as m:
        m.setattr(archive, "write", full)
        with pytest.raises(OSError, match="full"):
            usage.fold()
    assert verified(usage).wrong == []
    recounted(usage, dt.date(2026, 11, 1), opened())
    assert usage.report().total.counted == 2
    usage.fold()
    assert (verified(usage).wrong, len(everything(usage))) == ([], 2)


def test_days_whose_files_are_gone_are_said_and_days_without_records_are_none(usage: Usage) -> None:
    usage.write(Use(1), Use(1, at=NOON - 20 * DAY))
    usage.fold()
    usage.write(Use(2), Use(2, at=NOON + 400 * DAY), end=False)
    usage.fold()
    assert (verified(usage).days, verified(usage).left_out) == (3, [])
    for day in archive.days(usage.raw):
        shutil.rmtree(usage.raw / day.isoformat())
    done = verified(usage)
    assert done.left_out == ["2026-11-04: files are missing", "2026-11-24: files are missing"]
    assert done.wrong == []


def test_days_without_raw_records_cannot_be_counted_again(autumn: Usage) -> None:
    with pytest.raises(Invalid):
        recounted(autumn, dt.date(2027, 1, 1), strict())
    for path in archive.files(autumn.raw, NOON.date()):
        path.unlink()
    with pytest.raises(Invalid, match="2026-11-24"):
        recounted(autumn, dt.date(2026, 11, 1), strict())


def test_only_an_administrator_counts_again(autumn: Usage) -> None:
    staff = Actor(user_id=1, grants=(("staff", "100000"),))
    with pytest.raises(Forbidden):
        window.recount(staff, autumn.site, NOON.date(), strict(), 90, lambda _text: None)


def test_figures_that_do_not_agree_with_raw_records_are_named(autumn: Usage) -> None:
    done = verified(autumn)
    assert (done.wrong, done.days, done.records) == ([], 3, 8)
    with autumn.site.writing() as unit:
        mine = (Counter.region == DONGPO, Counter.day == 20261124)
        unit.session.execute(sa.update(Counter).where(*mine).values(users=5))
        unit.session.execute(sa.delete(People).where(People.month == 202611, People.region == CHENGDU))
    wrong = verified(autumn).wrong
    assert len(wrong) == 2
    assert "511402" in wrong[0]
    assert "1 people differ" in wrong[1]
    answer = keyun(autumn.site, "usage", "verify", "--json")
    assert answer.exit_code == 1
    assert len(json.loads(answer.stdout)["wrong"]) == 2
    assert keyun(autumn.site, "usage", "recount", "--from", "2026-11-01", "--rule", "opened-1").exit_code == 0
    assert keyun(autumn.site, "usage", "verify").exit_code == 0


def test_a_damaged_raw_file_is_named(autumn: Usage) -> None:
    (path, *_) = archive.files(autumn.raw, NOON.date())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert str(path) in "".join(verified(autumn).wrong)


def test_raw_records_go_after_their_days_and_figures_stay(autumn: Usage, clock: Clock) -> None:
    before = autumn.report(start=dt.date(2026, 10, 1))
    clock.tick(dt.timedelta(days=80))
    erasing.sweep(autumn.site, 90)
    assert archive.days(autumn.raw) == [NOON.date()]
    assert verified(autumn).wrong == []
    clock.tick(dt.timedelta(days=80))
    erasing.sweep(autumn.site, 90)
    assert archive.days(autumn.raw) == []
    after = autumn.report(start=dt.date(2026, 10, 1))
    assert (after.total, after.distinct.people) == (before.total, before.distinct.people)
    with autumn.site.reading() as unit:
        assert unit.session.scalar(sa.select(sa.func.count()).select_from(Part)) == 1  # the open one


# A past from elsewhere --------------------------------------------------------------------------------------

CSV = """day,region,channel,type,users,visitors
2025-03-01,511424,web,popsci.article,10,5
2025-03-01,511424,web,popsci.article,1,0
2025-03-02,513425,kiosk,popsci.article,0,60
"""


def test_a_past_as_csv_keeps_the_rule_it_was_counted_by(usage: Usage, tmp_path: Path) -> None:
    path = tmp_path / "past.csv"
    path.write_text(CSV, encoding="utf-8")
    assert importing.import_csv(system(), usage.site, path, "province2025-1") == 76
    made = usage.report(start=dt.date(2025, 3, 1), end=dt.date(2025, 3, 31))
    assert (made.total.users, made.total.visitors) == (11, 65)
    assert [(u.id, u.rule) for u in made.rules] == [("import:province2025-1", None)]
    assert made.by_place["513400"][0].visitors == 60
    with pytest.raises(Conflict):
        importing.import_csv(system(), usage.site, path, "province2025-1")
    assert keyun(usage.site, "usage", "import", str(path), "--rule", "x").exit_code == 1


@pytest.mark.parametrize(
    ("content", "packed", "says"),
    [
        (CSV.replace("web", "网页").encode("gbk"), False, "UTF-8"),
        (f"{CSV}2025-03-01,511424,{'x' * 200_000},t,1,1\n".encode(), False, "row 3"),
        (b"day,region\n", False, "visitors"),
        (CSV.encode(), True, "--packed"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_to_do(
    usage: Usage, tmp_path: Path, content: bytes, packed: bool, says: str
) -> None:
    path = tmp_path / "past.csv"
    path.write_bytes(content)
    more = ("--packed",) if packed else ()
    answer = keyun(usage.site, "usage", "import", str(path), "--rule", "opened-1", *more)
    assert (answer.exit_code, "Traceback" in answer.output) == (1, False)
    assert says in answer.output
    assert usage.report(start=dt.date(2025, 3, 1)).total.counted == 0
    assert usage.report(start=dt.date(2025, 3, 1)).lost == 0


@pytest.mark.parametrize(
    "line", ["2025-13-01,511424,web,t,1,1", "2025-03-01,999999,web,t,1,1", "2025-03-01,511424,web,t,-1,1",
             "2025-03-01,511424,,t,1,1", "2030-03-01,511424,web,t,1,1", "2025-03-01,511424,web,t"],
)  # fmt: skip
def test_a_wrong_row_is_named_and_nothing_is_written(usage: Usage, tmp_path: Path, line: str) -> None:
    path = tmp_path / "past.csv"
    path.write_text(CSV + line + "\n", encoding="utf-8")
    with pytest.raises(Invalid, match="4"):
        importing.import_csv(system(), usage.site, path, "province2025-1")
    assert usage.report(start=dt.date(2025, 3, 1), end=dt.date(2025, 3, 31)).total.counted == 0


def test_an_interrupted_import_goes_on_where_it_stopped(
    usage: Usage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "past.csv"
    path.write_text(CSV, encoding="utf-8")
    monkeypatch.setattr(importing, "CHUNK", 2)
    real, calls = importing._store_chunk, list[int]()

    def ends(*args: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(importing, "_store_chunk", ends)
    with pytest.raises(KeyboardInterrupt):
        importing.import_csv(system(), usage.site, path, "past-1")
    assert importing.import_csv(system(), usage.site, path, "past-1") == 60
    assert usage.report(start=dt.date(2025, 3, 1), end=dt.date(2025, 3, 31)).total.counted == 76


def test_packed_records_are_judged_by_the_rule_and_stay_when_the_window_is_counted_again(
    usage: Usage, tmp_path: Path
) -> None:
    path = usage.write(Use(1), Use(2, agent="robot")).rename(tmp_path / "past.bin")
    usage.write(Use(3))
    usage.fold()
    assert importing.import_packed(system(), usage.site, path, "opened-1") == 2
    with pytest.raises(Conflict):
        importing.import_packed(system(), usage.site, path, "opened-1")
    made = usage.report()
    assert (made.total.counted, made.total.excluded, made.distinct.people) == (2, 1, 2)
    assert {u.id for u in made.rules} == {"opened-1", "import:opened-1"}
    assert verified(usage).wrong == []
    recounted(usage, dt.date(2026, 11, 1), strict())
    # What was counted here no longer counts; what came from elsewhere stays as it was.
    assert (usage.report().total.counted, usage.report().distinct.people) == (1, 1)
