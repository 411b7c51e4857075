"""The server with real processes: it serves, replaces, refuses, repairs itself, and ends in order."""

from __future__ import annotations

import contextlib
import http.client
import http.cookiejar
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keyun.plugins import state
from keyun.serving import record

PATIENCE = 60.0
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
PLUGIN = """
import os, time
from flask import Blueprint
from keyun.access import public
from keyun.jobs import Job
from keyun.plugins import Plugin, hookimpl
def hold(site):
    folder = site.runtime.instance
    (folder / f"begun-{{os.getpid()}}").touch()
    while not (folder / "go").exists():
        time.sleep(0.05)
    (folder / f"done-{{os.getpid()}}").touch()
@public
def index():
    return {answer}
class P(Plugin):
    @hookimpl
    def keyun_blueprints(self):
        pages = Blueprint("gauge", __name__)
        pages.add_url_rule("/", "index", index)
        return [pages]
    @hookimpl
    def keyun_jobs(self):
        return {jobs}
"""

#: A server that tries a refused change again at once, not a minute later.
HASTY = """
from keyun.cli import main
from keyun.serving import supervisor
supervisor.RETRY_SECONDS = 0.0
main()
"""
#: The same, that can start no process while there is a file ``scarce``.
SCARCE = (
    """
import os, pathlib, subprocess
class Popen(subprocess.Popen):
    def __init__(self, *arguments, **more):
        if pathlib.Path(os.environ["KEYUN_INSTANCE"], "scarce").exists():
            raise OSError(11, "too many")
        super().__init__(*arguments, **more)
subprocess.Popen = Popen
"""
    + HASTY
)
MIGRATION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "0001", None, None, None
def upgrade():
    op.create_table("gauge_reading", sa.Column("id", sa.Integer, primary_key=True))
def downgrade():
    op.drop_table("gauge_reading")
"""


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
        time.sleep(0.05)
    return False


class Server:
    """A running ``keyun serve``."""

    def __init__(self, folder: Path, packages: Path) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
        path = os.pathsep.join([str(packages), *filter(None, [clean.get("PYTHONPATH")])])
        # Code of the fixture plugin changes within a second, which compiled files would not notice.
        more = {"KEYUN_INSTANCE": str(folder), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        self.env, self.folder, self.packages = clean | more, folder, packages
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.program = ["-m", "keyun"]

    def start(self, *options: str, **environment: str) -> None:
        command = [
            sys.executable,
            *self.program,
            "serve",
            "--port",
            str(self.port),
            "--workers",
            "1",
            *options,
        ]
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self.env | environment, stdout=log, stderr=log)
        assert until(lambda: self.status("/readyz") == 200), self.log()

    def keyun(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "keyun", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, **more)

    def log(self) -> str:
        return (self.folder / "serve.log").read_text(encoding="utf-8")

    def open(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def status(self, path: str) -> int:
        try:
            self.open(path)
        except urllib.error.HTTPError as e:
            e.close()
            return e.code
        except OSError:
            return 0
        return 200

    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.open("/readyz"))
        return found

    def record(self) -> record.ServerRecord:
        found = record.read(self.folder)
        assert found is not None
        return found

    def release(self, version: str, answer: str, jobs: str = "[]") -> None:
        """Install a version of the fixture plugin as pip leaves it; ``answer`` is what its page returns."""
        for old in self.packages.glob("*.dist-info"):
            shutil.rmtree(old)
        package = self.packages / "fixture_gauge"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / "plugin.toml").write_text('[plugin]\nname = "gauge"\napi = ">=1.0,<2"\n')
        (package / "plugin.py").write_text(PLUGIN.format(answer=answer, jobs=jobs))
        info = self.packages / f"fixture_gauge-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fixture-gauge\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("[keyun.plugins]\ngauge = fixture_gauge.plugin:P\n")

    def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with a user, to copy from."""
    packages = tmp_path_factory.mktemp("none")
    server = Server(tmp_path_factory.mktemp("set-up") / "instance", packages)
    assert server.keyun("init").returncode == 0
    added = ["users", "add", "chen", "--name", "陈", "--region", "511400", "--level", "2", "--password-stdin"]
    done = server.keyun(*added, input="a password of some length\n")
    assert done.returncode == 0, done.stderr
    return server.folder


@pytest.fixture
def server(set_up: Path, tmp_path: Path) -> Iterator[Server]:
    shutil.copytree(set_up, tmp_path / "instance")
    (tmp_path / "packages").mkdir()
    made = Server(tmp_path / "instance", tmp_path / "packages")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end()


@contextlib.contextmanager
def load(server: Server, *paths: str) -> Iterator[set[tuple[str, int]]]:
    """Two visitors, one on a kept connection; collects every (path, status), 0 for a broken connection."""
    seen: set[tuple[str, int]] = set()
    stop = threading.Event()

    def visit(is_kept: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        while not stop.wait(0.02):
            for path in paths:
                try:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    answer.read()
                    seen.add((path, answer.status))
                except (OSError, http.client.HTTPException):
                    seen.add((path, 0))
                    connection.close()
                if not is_kept:
                    connection.close()
        connection.close()

    threads = [threading.Thread(target=visit, args=(kept,)) for kept in (True, False)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def log_in(server: Server) -> urllib.request.OpenerDirector:
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = f"http://127.0.0.1:{server.port}/login"
    with browser.open(page, timeout=10) as answer:
        token = TOKEN.search(answer.read().decode())
    assert token is not None
    form = {"csrf_token": token[1], "login": "chen", "password": "a password of some length"}
    browser.open(page, urllib.parse.urlencode(form).encode(), timeout=10).close()
    return browser


def test_a_toggle_reaches_every_process_fails_no_request_and_keeps_log_ins(server: Server) -> None:
    server.start()
    assert until(lambda: bool(server.record().processes["jobs"]))
    before = server.record()
    browser = log_in(server)
    with load(server, "/", "/popsci/") as seen:
        assert until(lambda: ("/popsci/", 200) in seen)
        assert server.keyun("plugins", "disable", "popsci").returncode == 0
        assert until(lambda: ("/popsci/", 404) in seen)
        assert until(lambda: server.record().generation == before.generation + 1)
        assert until(lambda: not any(record.is_alive(p) for pids in before.processes.values() for p in pids))
        assert server.keyun("plugins", "enable", "popsci").returncode == 0
        assert until(lambda: server.record().generation == before.generation + 2)
    assert seen == {("/", 200), ("/popsci/", 200), ("/popsci/", 404)}
    with browser.open(f"http://127.0.0.1:{server.port}/account", timeout=10) as answer:
        assert answer.url.endswith("/account"), "the log-in is gone"
    ready = server.ready()
    assert ready["pid"] in server.record().processes["web"]
    assert (ready["generation"], ready["refused"]) == (before.generation + 2, None)
    assert server.end() == 0
    assert record.read(server.folder) is None, "nobody serves, so nobody says that he does"


def has_more(server: Server, kind: str, old: set[int]) -> bool:
    return bool(set(server.record().processes[kind]) - old)


def test_a_broken_upgrade_is_refused_said_everywhere_and_its_repair_is_taken(server: Server) -> None:
    server.release("1.0", "'one'")
    state.save(server.folder / "plugins.toml", ["gauge"])
    server.start()
    assert server.open("/gauge/") == "one"

    server.release("1.1", "(")
    assert until(lambda: server.record().refused is not None)
    reason = json.dumps(server.ready()["refused"]["reasons"])
    assert "gauge" in reason and "SyntaxError" in reason
    listed = server.keyun("plugins", "list", "--json")
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert any("running server" in problem for problem in rows["gauge"]["problems"])
    assert "SyntaxError" in listed.stderr and "is not taken: gauge" in server.log()

    # Whatever dies is started again with the code that served, not with the code on the disk.
    web, jobs = server.record().processes["web"][-1], server.record().processes["jobs"][-1]
    master = int(Path(f"/proc/{web}/stat").read_text().rpartition(")")[2].split()[1])
    for kind, victim in (("web", web), ("web", master), ("jobs", jobs)):
        old = set(server.record().processes[kind])
        os.kill(victim, signal.SIGKILL)
        assert until(partial(has_more, server, kind, old))
        assert until(lambda: server.status("/gauge/") == 200) and server.open("/gauge/") == "one"

    server.release("1.2", "'three'")
    assert until(lambda: server.open("/gauge/") == "three")
    assert until(lambda: server.record().refused is None)
    assert server.ready()["refused"] is None


def test_an_upgrade_that_brings_tables_waits_for_them(server: Server) -> None:
    state.save(server.folder / "plugins.toml", ["gauge"])
    server.release("1.0", "'one'")
    server.start("--no-jobs")
    versions = server.packages / "fixture_gauge" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "gauge_0001_initial.py").write_text(MIGRATION)
    server.release("1.1", "'two'")
    assert until(lambda: server.record().refused is not None)
    assert "keyun db upgrade" in server.ready()["refused"]["reasons"][0]
    assert server.open("/gauge/") == "one"
    assert server.keyun("db", "upgrade").returncode == 0
    assert until(lambda: server.open("/gauge/") == "two")
    assert until(lambda: server.record().refused is None)


def test_a_replaced_worker_finishes_its_job_while_the_new_one_works_already(server: Server) -> None:
    server.release("1.0", "'one'", '[Job("gauge.hold", hold, every=86400.0)]')
    state.save(server.folder / "plugins.toml", ["gauge"])
    server.start()
    assert until(lambda: bool(list(server.folder.glob("begun-*"))))
    old = int(next(server.folder.glob("begun-*")).name.removeprefix("begun-"))
    server.release("1.1", "'two'")
    assert until(lambda: server.open("/gauge/") == "two")
    assert until(lambda: bool(set(server.record().processes["jobs"]) - {old}))
    assert record.is_alive(old) and not (server.folder / f"done-{old}").exists()
    (server.folder / "go").touch()
    assert until(lambda: not record.is_alive(old))
    assert (server.folder / f"done-{old}").exists()


def test_when_all_processes_are_lost_the_same_set_starts_again(server: Server) -> None:
    state.save(server.folder / "plugins.toml", ["popsci"])
    server.start()
    web = server.record().processes["web"][0]
    master = int(Path(f"/proc/{web}/stat").read_text().rpartition(")")[2].split()[1])
    host = int(Path(f"/proc/{master}/stat").read_text().rpartition(")")[2].split()[1])
    plugins = server.ready()["plugins"]
    os.kill(host, signal.SIGKILL)
    assert until(lambda: web not in server.record().processes.get("web", (web,)))
    assert until(lambda: server.status("/readyz") == 200)
    assert server.ready()["plugins"] == plugins
    assert until(lambda: not record.is_alive(web)), "what the lost host had started ends by itself"

    left = [pid for pids in server.record().processes.values() for pid in pids]
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    assert until(lambda: not any(map(record.is_alive, left))), "without a supervisor nobody stays behind"
    assert record.read(server.folder) is None


def test_the_state_file_may_be_edited_by_hand_and_even_be_damaged(server: Server) -> None:
    path = server.folder / "plugins.toml"
    generation = state.save(path, ["emergency", "popsci"]).generation
    server.start("--no-jobs")

    path.write_text(f'generation = {generation}\nenabled = ["popsci"]\n')
    assert until(lambda: server.ready()["plugins"] == ["popsci"]), "no new number, but another set"

    path.write_text("enabled = [")
    assert until(lambda: server.record().refused is not None)
    assert "plugins.toml" in server.ready()["refused"]["reasons"][0]
    assert server.ready()["plugins"] == ["popsci"]
    assert "correct it by hand" in server.keyun("plugins", "list").stderr

    path.write_text('enabled = ["popsci", "nobody"]\n')
    assert until(lambda: server.ready()["faulted"].keys() == {"nobody"}), "one is missing, the rest serves"
    assert server.ready()["refused"] is None


#: A plugin's page that says which process answers, a moment later.
WHO = '__import__("time").sleep(0.02) or str(os.getpid())'


def test_a_burst_of_connections_that_stay_is_shared_among_the_web_processes(server: Server) -> None:
    server.release("1.0", WHO)
    state.save(server.folder / "plugins.toml", ["gauge"])
    server.start("--no-jobs", "--workers", "2", KEYUN_WEB__THREADS="1")
    answered: list[set[str]] = []

    def stay() -> None:
        mine: set[str] = set()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for _ in range(10):
            connection.request("GET", "/gauge/")
            mine.add(connection.getresponse().read().decode())
        connection.close()
        answered.append(mine)

    burst = [threading.Thread(target=stay) for _ in range(8)]
    for one in burst:
        one.start()
    for one in burst:
        one.join()
    by_process = [next(iter(mine)) for mine in answered if len(mine) == 1]
    assert len(by_process) == 8, "a connection stays with the process that took it"
    assert min(by_process.count(pid) for pid in set(by_process)) >= 2 and len(set(by_process)) == 2


def refused_because(server: Server, reason: str) -> bool:
    refused = server.record().refused
    return refused is not None and reason in refused.reasons[0]


def test_a_damaged_state_file_is_not_tried_later_as_an_empty_set(server: Server) -> None:
    state.save(server.folder / "plugins.toml", ["popsci"])
    server.program = ["-c", HASTY]
    server.start("--no-jobs")

    for damage, reason in (("enabled = [", "toml"), ("enabled = 1", "a list of plugin names")):
        (server.folder / "plugins.toml").write_text(damage)
        assert until(partial(refused_because, server, reason))
    assert "with no plugins" not in server.log(), server.log()
    assert server.ready()["plugins"] == ["popsci"]


def test_when_no_process_can_be_started_the_old_ones_serve_on(server: Server) -> None:
    state.save(server.folder / "plugins.toml", ["popsci"])
    server.program = ["-c", SCARCE]
    server.start("--no-jobs")

    (server.folder / "scarce").touch()
    state.save(server.folder / "plugins.toml", ["emergency", "popsci"])
    assert until(lambda: server.record().refused is not None)
    assert "no new process can be started (too many)" in server.ready()["refused"]["reasons"][0]
    assert server.ready()["plugins"] == ["popsci"]

    (server.folder / "scarce").unlink()
    assert until(lambda: server.ready()["plugins"] == ["emergency", "popsci"])
    assert server.ready()["refused"] is None


def test_whoever_is_quicker_on_an_address_has_it_and_the_other_is_told(server: Server) -> None:
    with socket.socket() as quicker:
        quicker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        quicker.bind(("127.0.0.1", server.port))
        command = [sys.executable, "-m", "keyun", "serve", "--no-jobs", "--port", str(server.port)]
        with subprocess.Popen(command, env=server.env, stderr=subprocess.PIPE, text=True) as slower:
            assert slower.stderr is not None
            assert "building with" in slower.stderr.readline(), "it has bound the address and does not listen"
            quicker.listen()
            *_, last = slower.stderr.read().splitlines()
    assert slower.returncode == 1
    assert last.startswith(f"keyun: cannot listen on 127.0.0.1 port {server.port}: ")
    assert record.read(server.folder) is None


def test_strict_refuses_faults_safe_mode_starts_the_core_and_a_taken_port_is_named(server: Server) -> None:
    state.save(server.folder / "plugins.toml", ["popsci", "nobody"])
    strict = server.keyun("serve", "--strict", "--port", str(server.port))
    assert strict.returncode == 1 and "nobody is enabled but not installed" in strict.stderr

    server.start("--no-jobs", KEYUN_SAFE_MODE="1")
    assert server.ready()["plugins"] == [] and server.status("/popsci/") == 404
    taken = server.keyun("serve", "--port", str(server.port))
    assert taken.returncode == 1 and taken.stderr.startswith("keyun: cannot listen on 127.0.0.1 port")


def test_a_sub_site_opened_by_command_is_served_by_every_process_without_a_restart(server: Server) -> None:
    server.start("--workers", "2")
    assert until(lambda: len(server.record().processes.get("web", ())) == 2)
    before = server.record().processes

    def everywhere(status: int) -> bool:
        return all(server.status("/s/renshou/") == status for _ in range(12))

    assert everywhere(404)
    done = server.keyun("sites", "add", "renshou", "--name", "仁寿县科技云", "--region", "511421")
    assert done.returncode == 0, done.stderr
    assert until(lambda: everywhere(200))
    assert "仁寿县科技云" in server.open("/s/renshou/")
    assert server.keyun("sites", "remove", "renshou").returncode == 0
    assert until(lambda: everywhere(404))
    assert server.record().processes == before
