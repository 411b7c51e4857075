"""The supervisor with real processes: it serves, replaces, and ends in order."""

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

import pytest

PATIENCE = 40.0


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def until(question: Callable[[], bool]) -> bool:
    """Ask again and again, for a bounded time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if question():
            return True
        time.sleep(0.1)
    return False


class Server:
    """A running ``keyun serve``."""

    def __init__(self, folder: Path) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
        self.env = clean | {"KEYUN_INSTANCE": str(folder)}
        self.port = free_port()
        assert self.keyun("init").returncode == 0
        command = [sys.executable, "-m", "keyun", "serve", "--port", str(self.port), "--workers", "1"]
        self.log = (folder / "serve.log").open("wb")
        self.process = subprocess.Popen(command, env=self.env, stdout=self.log, stderr=self.log)

    def keyun(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "keyun", *arguments], env=self.env, capture_output=True, check=False
        )

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as e:
            e.close()
            return e.code
        except OSError:
            return 0

    def children(self) -> dict[str, int]:
        """Process ids of the children by what they do."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(path.read_text().rpartition(")")[2].split()[1])
                words = (path.parent / "cmdline").read_bytes().decode()
            except OSError:
                continue
            if parent == self.process.pid:
                found["worker" if "\0worker" in words else "web"] = int(path.parent.name)
        return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "instance")
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.process.wait(PATIENCE)
    running.log.close()


def test_it_serves_keeps_a_worker_takes_on_changes_and_ends_in_order(server: Server) -> None:
    assert until(lambda: server.status("/readyz") == 200)
    assert server.status("/popsci/") == 200

    assert until(lambda: "worker" in server.children())
    first = server.children()["worker"]
    os.kill(first, signal.SIGKILL)
    assert until(lambda: server.children().get("worker", first) != first), "a killed worker is replaced"

    assert server.keyun("plugins", "disable", "popsci").returncode == 0
    seen: list[int] = []

    def gone() -> bool:
        seen.append(server.status("/readyz"))
        return server.status("/popsci/") == 404

    assert until(gone)
    assert set(seen) == {200}, "no request fails while the plugins change"
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/readyz", timeout=10) as answer:
        assert "popsci" not in json.load(answer)["plugins"]

    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE) == 0
