"""Whatever breaks, and wherever: the key repairs it, and nothing is told twice."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.jobs import JobRow, Worker
from keyun.testing import MakeSite
from keyun_notices.publishing import frozen, services, settling
from keyun_notices.publishing.models import Addressed, Notice, NoticeRegion

Push = Any
#: Each step of publishing after which it may break.
STEPS = (
    (services, "_insert"),
    (services, "_belongings"),
    (frozen, "freeze"),
    (services, "freeze_contacts"),
    (services, "settle_thread"),
    (settling, "announce"),
    (settling, "hand_over"),
)


class Broken(Exception):
    """The process ended here."""


def breaks_after(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Let the function do its work, and then break."""
    whole = getattr(module, name)

    def broken(*args: Any, **more: Any) -> Any:
        whole(*args, **more)
        raise Broken(name)

    monkeypatch.setattr(module, name, broken)


def rows(push: Push) -> list[int]:
    """How many notices, regions, chunks and fan-outs there are."""
    queries = [sa.select(sa.func.count()).select_from(m) for m in (Notice, NoticeRegion, Addressed)]
    queries.append(sa.select(sa.func.count()).where(JobRow.name == "notices.fanout"))
    return [int(push.reading(lambda u, q=q: u.session.scalar(q))) for q in queries]


@pytest.mark.parametrize(("module", "name"), STEPS, ids=[name for _, name in STEPS])
def test_a_break_at_any_step_leaves_nothing_and_the_key_publishes_it(
    town: Push, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    with monkeypatch.context() as patch:
        breaks_after(patch, module, name)
        with pytest.raises(Broken):
            town.publish()
    assert rows(town) == [0, 0, 0, 0]
    assert town.inbox("an") == []
    town.publish()
    town.publish()
    assert rows(town) == [1, 1, 1, 1]
    assert town.addressed("n1") == {"an", "bo", "cai"}


@pytest.mark.parametrize(("module", "name"), STEPS[2:], ids=[name for _, name in STEPS[2:]])
def test_a_break_while_a_scheduled_notice_starts_is_made_good_by_the_sweep(
    town: Push, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    town.publish(starts_at=town.clock() + dt.timedelta(hours=1))
    town.clock.tick(dt.timedelta(hours=2))
    with monkeypatch.context() as patch:
        breaks_after(patch, module, name)
        with pytest.raises(Broken):
            town.work()
    assert town.notice("n1").state == "scheduled" and town.inbox("an") == []
    town.work()
    town.work()
    assert town.inbox("an") == ["n1"]
    assert rows(town)[2:] == [1, 1]


KILLED = """
import os, signal, sys
from pathlib import Path
from keyun.access import system
from keyun.runtime import Runtime
from keyun.site import Site
from keyun_notices.publishing import frozen, services, settling
from keyun_notices.publishing.draft import Draft

settling.hand_over = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
site = Site.open(Runtime.open(Path(sys.argv[1])))
with site.writing() as unit:
    services.publish(system(), unit, Draft("n1", title="通知 n1", body="请查收。", regions=("511400",)))
"""


def test_a_killed_process_leaves_nothing_and_the_key_publishes_it(town: Push) -> None:
    folder = str(town.site.runtime.instance)
    done = subprocess.run([sys.executable, "-c", KILLED, folder], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert rows(town) == [0, 0, 0, 0]
    town.publish()
    assert town.inbox("an") == ["n1"] and rows(town) == [1, 1, 1, 1]


# Scheduled ----------------------------------------------------------------------------------------------


def test_a_scheduled_notice_addresses_who_is_there_when_it_starts(town: Push) -> None:
    notice = town.publish(starts_at=town.clock() + dt.timedelta(hours=3))
    assert notice.state == "scheduled" and town.inbox("an") == []
    town.change("an", region="510185")
    town.change("du", region="511424")
    town.work(hours=2)
    assert town.notice("n1").state == "scheduled"
    town.work(hours=1)
    assert town.addressed("n1") == {"bo", "cai", "du"}
    assert town.inbox("du") == ["n1"] and town.inbox("an") == []
    assert town.notice("n1").published_at == town.clock()


def test_its_own_job_starts_it_at_the_minute(town: Push) -> None:
    town.publish(starts_at=town.clock() + dt.timedelta(hours=3))
    town.clock.tick(dt.timedelta(hours=3))
    due = sa.select(JobRow.id).where(JobRow.name == "notices.start")
    assert Worker(town.site).run_one(town.reading(lambda u: u.session.scalars(due).one()))
    assert town.inbox("an") == ["n1"]


def test_a_cancelled_or_updated_notice_never_starts(town: Push) -> None:
    later = town.clock() + dt.timedelta(hours=1)
    town.publish("n1", starts_at=later)
    town.publish("n2", starts_at=later)
    town.cancel("n1")
    town.publish("n3", kind="update", refers_to=("n2",), regions=("511424",))
    town.work(hours=2)
    assert town.notice("n1").state == "cancelled" and town.notice("n2").state == "superseded"
    assert town.inbox("an") == [] and town.inbox("cai") == ["n3"]
    assert town.addressed("n1") == set()


def test_an_update_that_starts_later_takes_the_place_when_it_starts(town: Push) -> None:
    town.publish("n1")
    town.publish("n2", kind="update", refers_to=("n1",), starts_at=town.clock() + dt.timedelta(hours=1))
    assert town.inbox("an") == ["n1"]
    town.work(hours=1)
    assert town.inbox("an") == ["n2"]


def test_one_that_cannot_start_keeps_nobody_waiting(town: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    later = town.clock() + dt.timedelta(hours=1)
    town.publish("n1", starts_at=later)
    town.publish("n2", starts_at=later)
    with town.site.writing() as unit:
        gone = {"attribute": "gone.attribute", "is": 1}
        unit.session.execute(sa.update(Notice).where(Notice.ikey == "n1").values(audience=gone))
    town.work(hours=1)
    assert town.notice("n1").state == "scheduled"
    assert town.inbox("an") == ["n2"]


def test_two_workers_start_it_once(town: Push, make_site: MakeSite) -> None:
    town.publish(starts_at=town.clock() + dt.timedelta(hours=1))
    town.clock.tick(dt.timedelta(hours=1))
    other = make_site(instance=town.site.runtime.instance)
    number = town.notice("n1").id
    first = town.writing(lambda u: services.start(u, number))
    with other.writing() as unit:
        assert (first, services.start(unit, number)) == (True, False)
    assert rows(town)[3] == 1
