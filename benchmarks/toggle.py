"""Toggle and upgrade plugins under load: how long until every process runs the new set, and what it costs.

Makes an instance with demonstration data, serves it with two web workers and a job worker, keeps 16
connections busy (half of them kept alive, half of them new for each request, two with a log-in), and
disables, enables and upgrades plugins meanwhile. A request has failed unless it is answered with 200,
or with 404 for a page of the plugin that is being toggled. Times count from the end of the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import sysconfig
import tempfile
import time
import urllib.parse
import venv
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from _report import Row, parser, quantile, report
from keyun.serving import record
from keyun.serving.record import ServerRecord

CONNECTIONS = 16
WARM_UP_SECONDS = 5.0
BASE_SECONDS = 10.0
PATIENCE = 60.0
PAGES = ("/", "/marketplace/", "/popsci/", "/search?q=%E6%9F%91%E6%A9%98", "/gauge/", "/readyz")
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
PLUGIN = """
from flask import Blueprint
from keyun.access import public
from keyun.plugins import Plugin, hookimpl
@public
def index():
    return "{version}"
class P(Plugin):
    @hookimpl
    def keyun_blueprints(self):
        pages = Blueprint("gauge", __name__)
        pages.add_url_rule("/", "index", index)
        return [pages]
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it began and ended, what was asked, and what came back (0: nothing)."""

    began: float
    ended: float
    path: str
    status: int
    body: str = ""


@dataclass(slots=True)
class Load:
    """The visitors and what they have seen."""

    port: int
    pause: float
    cookie: str = ""
    answers: list[Answer] = field(default_factory=list)
    stopped: bool = False

    async def visit(self, number: int) -> None:
        """One visitor: pages one after another, on one connection or on a new one for each."""
        is_kept, cookie = number % 2 == 0, self.cookie if number < 2 else ""
        pages = (*PAGES, "/account") if cookie else PAGES
        connection: Connection | None = None
        turn = number
        while not self.stopped:
            path, turn = pages[turn % len(pages)], turn + 1
            began = time.monotonic()
            try:
                connection = connection or await Connection.open(self.port)
                status, body, stays = await connection.get(path, cookie)
            except (OSError, asyncio.IncompleteReadError):
                status, body, stays = 0, "", False
            self.answers.append(Answer(began, time.monotonic(), path, status, body))
            if connection is not None and not (is_kept and stays):
                connection.close()
                connection = None
            await asyncio.sleep(self.pause)
        if connection is not None:
            connection.close()


class Connection:
    """As little HTTP as these pages need."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def get(self, path: str, cookie: str = "") -> tuple[int, str, bool]:
        """Ask for ``path``; returns status, the beginning of the body, and whether the connection stays."""
        status, _, body, stays = await self.ask("GET", path, cookie)
        return status, body[:200].decode(errors="replace"), stays

    async def ask(
        self, method: str, path: str, cookie: str = "", form: str = ""
    ) -> tuple[int, str, bytes, bool]:
        """Send one request; returns status, head, body, and whether the connection stays."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Cookie: {cookie}"]
        if form:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
        self.writer.write("\r\n".join([*lines, "", form]).encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lower = head.lower()
        length = re.search(r"\r\ncontent-length: (\d+)", lower)
        if length is None:
            raise OSError(f"{path}: no Content-Length in {head!r}")
        body = await self.reader.readexactly(int(length[1]))
        return int(head.split(" ", 2)[1]), head, body, "\r\nconnection: close" not in lower

    def close(self) -> None:
        """Let go."""
        self.writer.close()


async def log_in(port: int) -> str:
    """The cookie of a logged-in demonstration user."""
    connection = await Connection.open(port)
    _, head, body, _ = await connection.ask("GET", "/login")
    token, cookie = TOKEN.search(body.decode()), _cookie(head)
    assert token is not None
    form = urllib.parse.urlencode({"csrf_token": token[1], "login": "admin", "password": "demo-keyun"})
    status, head, _, _ = await connection.ask("POST", "/login", cookie, form)
    connection.close()
    if status != 303:
        raise SystemExit(f"the log-in was answered with {status}")
    return _cookie(head)


def _cookie(head: str) -> str:
    found = re.search(r"(?i)\r\nset-cookie: (keyun=[^;]+)", head)
    assert found is not None
    return found[1]


def write_wheel(folder: Path, version: str) -> Path:
    """A wheel of a plugin whose only page shows its version."""
    info = f"keyun_gauge-{version}.dist-info"
    files = {
        "keyun_gauge/__init__.py": "",
        "keyun_gauge/plugin.py": PLUGIN.format(version=version),
        "keyun_gauge/plugin.toml": '[plugin]\nname = "gauge"\napi = ">=1.0,<2"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: keyun-gauge\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: toggle\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[keyun.plugins]\ngauge = keyun_gauge.plugin:P\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    path = folder / f"keyun_gauge-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return path


def make_environment(folder: Path) -> Path:
    """An environment of its own above this one, so that pip changes nothing here; returns its Python."""
    venv.create(folder, with_pip=False)
    below = sysconfig.get_path("purelib")
    packages = next((folder / "lib").glob("python3*/site-packages"))
    (packages / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
    return folder / "bin" / "python"


@dataclass(slots=True)
class Server:
    """An instance, and the commands on it."""

    python: Path
    instance: Path
    port: int

    def environment(self) -> dict[str, str]:
        """What its processes get."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KEYUN_")}
        return clean | {"KEYUN_INSTANCE": str(self.instance)}

    async def run(self, *arguments: str) -> None:
        """Run a command and wait for it."""
        process = await asyncio.create_subprocess_exec(
            self.python, *arguments, env=self.environment(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            # Another terminal than that of the visitors.
            start_new_session=True,
        )  # fmt: skip
        output, _ = await process.communicate()
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed:\n{output.decode()}")

    async def keyun(self, *arguments: str) -> None:
        """Run ``keyun …``."""
        await self.run("-m", "keyun", *arguments)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """``keyun serve`` with two web workers and a job worker."""
        with (self.instance / "serve.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                self.python, "-m", "keyun", "serve", "--port", str(self.port), "--workers", "2",
                env=self.environment(), stdout=log, stderr=log,
            )  # fmt: skip
        try:
            await until(lambda: _is_complete(record.read(self.instance)), "the server does not start")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()

    def record(self) -> ServerRecord:
        """What the server says about itself."""
        found = record.read(self.instance)
        assert found is not None
        return found


def _is_complete(server: ServerRecord | None) -> bool:
    kinds = {} if server is None else server.processes
    return len(kinds.get("web", ())) >= 2 and bool(kinds.get("jobs"))


async def until(question: Callable[[], bool], complaint: str) -> None:
    """Wait for a yes, for a bounded time."""
    end = time.monotonic() + PATIENCE
    while not question():
        if time.monotonic() > end:
            raise SystemExit(complaint)
        await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Change:
    """What is done under load, and how the new set shows in an answer."""

    name: str
    do: Callable[[Server], Awaitable[None]]
    path: str
    is_new: Callable[[Answer], bool]
    may_be_gone: bool = False


async def measure(server: Server, load: Load, change: Change) -> list[Row]:
    """Make one change and say what it did."""
    start = time.monotonic()
    await asyncio.sleep(BASE_SECONDS)
    old = server.record()
    began = time.monotonic()
    await change.do(server)
    done = time.monotonic()
    await until(
        lambda: not _pids(old) & _pids(server.record()) and _is_complete(server.record()), change.name
    )
    replaced = time.monotonic()
    await until(lambda: not any(map(record.is_alive, _pids(old))), f"{change.name}: old processes stay")
    ended = time.monotonic()
    await asyncio.sleep(1.0)
    before = [a for a in load.answers if start <= a.began < began]
    during = [a for a in load.answers if began <= a.ended and a.began < ended]
    last_old = max((a.ended for a in during if a.path == change.path and not change.is_new(a)), default=done)
    failed = [a for a in load.answers if a.began >= start and not _is_fine(a, change)]
    for a in failed[:5]:
        print(f"failed: {a.path} {a.status} {a.body[:80]!r}", file=sys.stderr)
    p95 = [quantile([1000 * (a.ended - a.began) for a in part], 0.95) for part in (before, during)]
    return [
        Row(f"{change.name}: command", done - began, "s"),
        Row(f"{change.name}: every new process runs", replaced - done, "s"),
        Row(f"{change.name}: last answer of the old set", max(last_old - done, 0.0), "s"),
        Row(f"{change.name}: every old process has ended", ended - done, "s"),
        Row(f"{change.name}: requests during it", len(during), ""),
        Row(f"{change.name}: failed requests", len(failed), ""),
        Row(f"{change.name}: p95 before", p95[0], "ms"),
        Row(f"{change.name}: p95 during", p95[1], "ms", f"{p95[1] / p95[0]:.1f} x before"),
    ]


def _pids(server: ServerRecord) -> set[int]:
    return {pid for pids in server.processes.values() for pid in pids}


def _is_fine(answer: Answer, change: Change) -> bool:
    is_gone = answer.status == 404 and answer.path.startswith("/marketplace/") and change.may_be_gone
    return answer.status == 200 or is_gone


def changes(wheel: Path) -> Sequence[Change]:
    """Off, on, and a new version by pip."""

    async def disable(server: Server) -> None:
        await server.keyun("plugins", "disable", "marketplace")

    async def enable(server: Server) -> None:
        await server.keyun("plugins", "enable", "marketplace")

    async def install(server: Server) -> None:
        await server.run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "-U", str(wheel))

    page = "/marketplace/"
    return [
        Change("disable", disable, page, lambda a: a.status == 404, may_be_gone=True),
        Change("enable", enable, page, lambda a: a.status == 200, may_be_gone=True),
        Change("pip install -U", install, "/gauge/", lambda a: a.body == "2.0"),
    ]


async def run(folder: Path, pause: float) -> list[Row]:
    """Set everything up, make the changes, and return the figures."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = int(s.getsockname()[1])
    server = Server(make_environment(folder / "environment"), folder / "instance", port)
    await server.run(
        "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(write_wheel(folder, "1.0"))
    )
    for command in (["init"], ["demo"], ["plugins", "enable", "gauge"]):
        await server.keyun(*command)
    async with server.serving():
        load = Load(port, pause, await log_in(port))
        visitors = [asyncio.create_task(load.visit(n)) for n in range(CONNECTIONS)]
        await asyncio.sleep(WARM_UP_SECONDS)
        rows = []
        for change in changes(write_wheel(folder, "2.0")):
            rows += await measure(server, load, change)
        load.stopped = True
        await asyncio.gather(*visitors)
    return rows


def main() -> None:
    """Run and report."""
    options = parser(__doc__ or "")
    options.add_argument("--pause", type=float, default=0.0, help="seconds a visitor waits between requests")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="keyun-toggle-") as folder:
        rows = asyncio.run(run(Path(folder), chosen.pause))
    report("toggle", rows, chosen.json)


if __name__ == "__main__":
    main()
