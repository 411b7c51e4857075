"""An instance full of generated people, and what benchmarks of notices do with it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

import _people
from _people import Drawn
from _report import Row
from keyun import config
from keyun.access import system
from keyun.db import is_sqlite
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.testing.databases import Databases
from keyun.testing.instances import write_instance
from keyun_notices.publishing.draft import Draft
from keyun_notices.publishing.services import publish

PLUGINS = ("marketplace", "notices")
Ids = np.ndarray[Any, np.dtype[np.uint32]]


@dataclass
class Case:
    """One database full of people."""

    name: str
    site: Site
    drawn: Drawn
    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, value: float, unit: str, peer: str = "", ratio: float | None = None) -> None:
        """Note a figure."""
        self.rows.append(Row(f"{self.name}: {what}", value, unit, peer, ratio))


@contextlib.contextmanager
def filled(databases: Databases, name: str, count: int) -> Iterator[Case]:
    """An instance with generated people, and nobody else."""
    instance = databases.folder / f"instance-{name}"
    url = databases.copy(name, PLUGINS, instance)
    write_instance(instance, url, PLUGINS, {"site": {"region": _people.PROVINCE}})
    site = Site.open(Runtime(config.load(instance, {})))
    site.plugins.raise_faults()
    drawn = _people.draw(site.regions, count)
    say(f"{name}: writing {count} people")
    _people.fill(site.runtime.engine, drawn, site.runtime.clock())
    try:
        yield Case(name, site, drawn)
    finally:
        site.runtime.close()
        databases.drop(url)


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)


# Time of processors ---------------------------------------------------------------------------------


def cpu(case: Case) -> float:
    """CPU seconds so far of this process and of the server's processes for this database."""
    spent = time.process_time()
    if is_sqlite(case.site.runtime.engine):
        return spent
    busy = 0
    with case.site.runtime.engine.connect() as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        for pid in connection.scalars(sa.text(query)):
            with contextlib.suppress(FileNotFoundError):
                busy += int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])
    return spent + busy / 1e9


def spent(case: Case, work: Callable[[], object]) -> float:
    """CPU seconds of ``work``."""
    before = cpu(case)
    work()
    return cpu(case) - before


def timed(work: Callable[[], object]) -> float:
    """Seconds of ``work`` on the wall clock."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


# What is sent ---------------------------------------------------------------------------------------


def send(site: Site, key: str, codes: Sequence[str]) -> None:
    """Publish as the service does."""
    with site.writing() as unit:
        publish(system(), unit, Draft(key, title=f"基准 {key}", body="基准测试。", regions=tuple(codes)))


def prefectures(case: Case) -> list[str]:
    """The most populous ones of the province, so many that about 1.7 of 2.3 million live there."""
    cities = np.array([code[:4] for code in case.drawn.counties])[case.drawn.county]
    names, counts = np.unique(cities, return_counts=True)
    order = np.argsort(-counts)
    target = 0.74 * len(cities)
    upto = int(np.searchsorted(np.cumsum(counts[order]), target)) + 1
    return sorted(f"{names[i]}00" for i in order[:upto])


def inside(case: Case, codes: Sequence[str]) -> Ids:
    """The ids of everybody in the prefectures, by numpy."""
    heads = np.array([code[:4] for code in case.drawn.counties])[case.drawn.county]
    return case.drawn.ids[np.isin(heads, [c[:4] for c in codes])]


# Beside it -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def beside(case: Case, watched: Sequence[int]) -> Iterator[Callable[[dict[str, Any]], float]]:
    """Another process (``_beside.py``) that watches people; what it is asked, it answers with a moment."""
    script = Path(__file__).with_name("_beside.py")
    command = [sys.executable, str(script), str(case.site.runtime.instance), ",".join(map(str, watched))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        asked, answers = process.stdin, process.stdout
        if answers.readline().strip() != "ready":
            raise SystemExit("the process beside this one did not start")

        def ask(question: dict[str, Any]) -> float:
            asked.write(json.dumps(question) + "\n")
            asked.flush()
            answer = json.loads(answers.readline())
            if answer is None:
                raise SystemExit(f"{case.name}: that never came about: {question}")
            return float(answer)

        yield ask
        asked.close()
