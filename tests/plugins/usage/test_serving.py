"""The whole way with real processes: a page is opened, the worker counts, an orderly end loses nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keyun.access import system
from keyun.testing import MakeSite, make_item
from keyun_usage import folding, services
from keyun_usage.services import Report

PATIENCE = 60.0
ARTICLE: dict[str, Any] = {
    "category": "life",
    "source": "示范资料",
    "voucher": "示范学会",
    "region": "511402",
}


def until(question: Callable[[], bool]) -> bool:
    """Whether the answer becomes yes in time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if question():
                return True
        time.sleep(0.1)
    return False


@contextlib.contextmanager
def served(instance: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server on ``instance`` with two web processes and a worker; its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "keyun", "--instance", str(instance), "serve", "--port", str(port)]
    with (instance / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "KEYUN_WEB__WORKERS": "2"}
        )
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def opened(address: str) -> int:
    with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
        return int(answer.status)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_real_processes_append_is_counted_and_an_orderly_end_loses_nothing(make_site: MakeSite) -> None:
    site = make_site("popsci", "usage", config={"plugin": {"usage": {"fold_seconds": 1}}})
    with site.writing() as unit:
        number = make_item(unit, "popsci.article", title="看星星", **ARTICLE).public_id
    today = dt.datetime.now(site.timezone).date()

    def figures() -> Report:
        with site.reading() as unit:
            return services.report(system(), unit, "511402", today - dt.timedelta(days=1), today)

    with served(site.runtime.instance) as (address, process):
        page = f"{address}/popsci/{number}"
        assert until(lambda: opened(f"{address}/readyz") == 200)
        assert [opened(page) for _ in range(5)] == [200] * 5
        assert until(lambda: figures().total.visitors == 5), "the worker counts within seconds"
        assert [opened(page) for _ in range(3)] == [200] * 3
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    folding.fold_all(site)
    made = figures()
    # What was opened in the last second was in memory when the signal came.
    assert (made.total.visitors, made.lost, made.killed) == (8, 0, 0)
    assert list((site.runtime.instance / "usage" / "spool").iterdir()) == []
