"""Every broken plugin of tests/plugins_broken at once on a running server: it serves, and names each."""

from __future__ import annotations

import json
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

from keyun.plugins import state

BROKEN = Path(__file__).parents[1] / "plugins_broken"
PATIENCE = 150.0
PAGES = ("/", "/marketplace/", "/popsci/", "/search?q=keyun", "/login")
#: It ends any process that imports it, so the server would refuse the whole set.
DEADLY = "crash_import"
PENDING = {"failing_migration"}
#: Plugins that load: they fail, if at all, one call at a time.
LOADABLE = {
    "chatty", "deep_recursion", "endless_menu", "exit_hook", "failing_channels", "failing_checks",
    "failing_committed", "failing_fragment", "failing_login", "failing_menu", "failing_screen",
    "failing_work", "namesake", "reader", "slow_menu", "wrong_entries", "wrong_login", "wrong_menu",
    "wrong_weight",
}  # fmt: skip


def until(question: Callable[[], bool]) -> bool:
    """Ask again and again, for a bounded time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if question():
            return True
        time.sleep(0.2)
    return False


class Server:
    """A running ``keyun serve`` that can import every broken plugin but the deadly one."""

    def __init__(self, folder: Path) -> None:
        self.names = sorted(p.name for p in BROKEN.iterdir() if p.is_dir() and p.name != DEADLY)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
        found = os.pathsep.join(str(BROKEN / name) for name in self.names)
        self.env = clean | {"KEYUN_INSTANCE": str(folder), "PYTHONPATH": found}
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = int(s.getsockname()[1])
        assert self.keyun("init").returncode == 0
        command = [sys.executable, "-m", "keyun", "serve", "--port", str(self.port), "--workers", "1"]
        self.log = (folder / "serve.log").open("wb")
        self.process = subprocess.Popen(command, env=self.env, stdout=self.log, stderr=self.log)

    def keyun(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "keyun", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as e:
            e.close()
            return e.code
        except OSError:
            return 0

    def ready(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "instance")
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.process.wait(PATIENCE)
    running.log.close()


def test_a_running_server_takes_on_every_broken_plugin_and_serves(server: Server, tmp_path: Path) -> None:
    assert until(lambda: server.status("/readyz") == 200)
    path = tmp_path / "instance" / "plugins.toml"
    bundled = state.load(path).enabled
    # By hand: `enable` refuses each of them.
    state.save(path, [*server.names, *bundled])

    seen: set[int] = set()

    def taken_on() -> bool:
        seen.update(server.status(page) for page in PAGES)
        return len(server.ready()["faulted"]) > 0

    assert until(taken_on), (tmp_path / "instance" / "serve.log").read_text()[-3000:]
    assert seen == {200}, "no page fails while the broken ones arrive"
    ready = server.ready()
    assert set(ready["pending"]) == PENDING
    assert set(ready["faulted"]) == set(server.names) - LOADABLE - PENDING
    assert set(ready["plugins"]) == LOADABLE | set(bundled)
    assert {page: server.status(page) for page in PAGES} == dict.fromkeys(PAGES, 200)

    assert until(lambda: server.status("/") == 200 and server.ready()["suspended"] != {})
    assert server.ready()["suspended"] == {"slow_menu": ["keyun_menu"]}
    assert server.keyun("plugins", "clear", "slow_menu").returncode == 0
    assert server.ready()["suspended"] == {}

    rows = {r["name"]: r for r in json.loads(server.keyun("plugins", "list", "--json").stdout)}
    assert all(rows[n]["state"] == "faulted" and rows[n]["problems"] for n in ready["faulted"])
    assert server.keyun("plugins", "list", "--strict").returncode == 1

    assert server.keyun("plugins", "disable", *server.names).returncode == 0
    assert until(lambda: set(server.ready()["plugins"]) == set(bundled))
    assert server.ready()["faulted"] == {}
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE) == 0
