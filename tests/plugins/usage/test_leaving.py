"""People who leave: what they are handed, and that nothing is left of them anywhere."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import sqlalchemy as sa

from keyun.access import system
from keyun.accounts import User
from keyun.accounts.personal import erase, export
from keyun.jobs import Worker
from keyun.site import Site
from keyun.testing import Clock, make_user
from keyun_usage import archive, erasing, places
from keyun_usage.models import Forgotten
from keyun_usage.rules import opened
from tests.plugins.usage.conftest import CHENGDU, DANLENG, DONGPO, NOON, Usage, Use
from tests.plugins.usage.test_window import DAY, everything, recounted, verified


@pytest.fixture
def leaver(usage: Usage) -> User:
    """Somebody whose openings lie in a raw file, in a file still open, and in memory of nobody."""
    with usage.site.writing() as unit:
        user = make_user(unit, "leaver")
    usage.write(Use(user.id), Use(user.id, DONGPO, at=NOON - 40 * DAY), Use(4001))
    usage.fold()
    usage.write(Use(user.id, CHENGDU), Use(4002), end=False)
    return user


def test_an_export_says_months_places_and_raw_records(usage: Usage, leaver: User) -> None:
    usage.fold()
    with usage.site.reading() as unit:
        found = export(system(), unit, leaver)
    assert found["usage_months"] == [
        {"month": "2026-10", "region": f"{DONGPO}"},
        {"month": "2026-11", "region": f"{CHENGDU}"},
        {"month": "2026-11", "region": f"{DANLENG}"},
    ]
    assert sorted(r["region"] for r in found["usage_records"]) == sorted(map(str, (DANLENG, DONGPO, CHENGDU)))
    assert {(r["type"], r["agent"]) for r in found["usage_records"]} == {("popsci.article", "browser")}


def test_who_leaves_is_out_of_every_answer_at_once_and_of_every_file_soon(usage: Usage, leaver: User) -> None:
    with usage.site.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, leaver.id))
    assert usage.report(start=dt.date(2026, 10, 1)).distinct.people == 1
    Worker(usage.site).drain()
    assert leaver.id not in everything(usage)
    for spool in usage.spools:
        spool.close()
    usage.fold()
    assert leaver.id not in everything(usage)
    made = usage.report(start=dt.date(2026, 10, 1))
    # The person-times stay, as nobody's; the people are the two others.
    assert (made.total.counted, made.distinct.people, made.distinct.removed) == (5, 2, 2)
    assert verified(usage).wrong == []
    recounted(usage, dt.date(2026, 10, 1), opened())
    after = usage.report(start=dt.date(2026, 10, 1))
    assert (after.total, after.distinct) == (made.total, made.distinct)


def test_an_export_says_what_it_leaves_out_and_does_without_a_damaged_file(
    usage: Usage, leaver: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with usage.site.reading() as unit:
        monkeypatch.setattr(erasing, "MOST_EXPORTED", 3)
        assert len(export(system(), unit, leaver)["usage_records"]) == 3
        monkeypatch.setattr(erasing, "MOST_EXPORTED", 2)
        *records, cut = export(system(), unit, leaver)["usage_records"]
        assert (len(records), "first 2" in cut["note"]) == (2, True)
        monkeypatch.setattr(erasing, "MOST_EXPORTED", 3)
        (path,) = archive.files(usage.raw, NOON.date())
        path.write_bytes(path.read_bytes()[:-1])
        assert len(export(system(), unit, leaver)["usage_records"]) == 2
    assert str(path) in caplog.text


def test_who_left_is_forgotten_even_when_the_work_rests_for_days(
    usage: Usage, leaver: User, clock: Clock
) -> None:
    with usage.site.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, leaver.id))
    for spool in usage.spools:
        spool.close()
    clock.tick(dt.timedelta(days=5))
    usage.fold()
    Worker(usage.site).drain()
    assert leaver.id not in everything(usage)
    clock.tick(dt.timedelta(days=93))
    erasing.sweep(usage.site, 90)
    assert usage.report(start=dt.date(2026, 10, 1)).distinct.people == 2


def test_who_left_while_the_plugin_was_off_is_forgotten_when_it_is_on_again(
    usage: Usage, leaver: User
) -> None:
    without = Site.open(usage.site.runtime, ["popsci"])
    with without.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, leaver.id))
    erasing.sweep(usage.site, 90)
    assert leaver.id not in everything(usage)
    assert usage.report(start=dt.date(2026, 10, 1)).distinct.people == 1
    usage.fold()
    assert usage.report(start=dt.date(2026, 10, 1)).distinct.people == 2


def test_erasing_that_is_undone_forgets_nobody(usage: Usage, leaver: User) -> None:
    with pytest.raises(RuntimeError), usage.site.writing() as unit:
        erase(system(), unit, unit.session.get_one(User, leaver.id))
        raise RuntimeError
    with usage.site.reading() as unit:
        assert unit.session.scalars(sa.select(Forgotten)).all() == []
    assert usage.report(start=dt.date(2026, 10, 1)).distinct.people == 2


def test_the_mark_of_who_left_goes_when_nothing_can_carry_the_number_any_more(
    usage: Usage, leaver: User, clock: Clock
) -> None:
    with usage.site.writing() as unit:
        erasing.ask(unit, leaver.id)
        erasing.ask(unit, leaver.id)
    clock.tick(dt.timedelta(days=93))
    erasing.sweep(usage.site, 90)
    with usage.site.reading() as unit:
        assert unit.session.scalars(sa.select(Forgotten)).all() == []


def test_nobody_else_is_touched_by_a_rewrite(usage: Usage) -> None:
    usage.write(Use(1), Use(2), Use(1, registered=False))
    usage.fold()
    assert len(list(archive.forget(usage.raw, np.array([1], dtype=np.uint64)))) == 1
    assert sorted(everything(usage)) == [0, 1, 2]
    assert list(archive.forget(usage.raw, np.array([1], dtype=np.uint64))) == []
    assert places.raw_folder(usage.site.runtime.instance) == usage.raw
