"""``keyun jobs``: see what failed, try it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyun.cli import cli
from keyun.jobs import Job, Worker
from keyun.site import Site

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
Keyun = Callable[..., Result]


@pytest.fixture
def keyun(instance: Path) -> Keyun:
    return lambda *words: CliRunner().invoke(cli, ["--instance", str(instance), "jobs", *words])


@pytest.fixture
def dead(make_site: Callable[..., Site], instance: Path) -> str:
    """A job that failed for good."""

    def fail(site: Site) -> None:
        raise ValueError("no luck")

    site = make_site(instance=instance)
    site.jobs["core.sweep"] = Job("core.sweep", fail)
    worker = Worker(site)
    worker.max_attempts = 1
    with site.writing() as unit:
        job = unit.enqueue("core.sweep")
    worker.drain()
    return job


def listed(keyun: Keyun, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(keyun("list", "--json", *words).stdout)
    return rows


def test_a_dead_job_is_listed_with_its_last_error(keyun: Keyun, dead: str) -> None:
    line = keyun("list", "--state", "dead").stdout
    assert dead in line and "ValueError: no luck" in line
    assert [r["id"] for r in listed(keyun, "--state", "dead")] == [dead]
    assert listed(keyun, "--state", "waiting") == []


def test_a_dead_job_is_queued_again_and_run_here(keyun: Keyun, dead: str) -> None:
    assert keyun("retry", dead).exit_code == 0
    assert [(r["id"], r["attempts"]) for r in listed(keyun, "--state", "queued")] == [(dead, 0)]
    done = keyun("run")
    assert done.exit_code == 0
    assert "jobs run" in done.stdout
    assert not {"dead", "queued", "running"} & {r["state"] for r in listed(keyun) if r["id"] == dead}
    assert listed(keyun, "--state", "dead") == []


def test_only_what_failed_can_be_tried_again(keyun: Keyun) -> None:
    done = keyun("retry", "no-such-job")
    assert done.exit_code == 1
    assert "keyun jobs list --state dead" in done.stderr
