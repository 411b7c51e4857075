"""How fast pages come: 16 connections on two web workers, visitors and people who are logged in.

Serves a demonstration instance (``--offers`` imports generated offers as well), warms up, and drives one
page after the other with wrk, or with a client of its own where wrk is not installed.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from _report import Row, parser, quantile, report

KEYUN = [sys.executable, "-m", "keyun"]
LOGIN, PASSWORD = "demo001", "demo-keyun"
HEADERS = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": "none"}
#: What a web worker does that was not forked from a ready one.
FIRST = "from keyun.wsgi import make; assert make().test_client().get('/').status_code == 200"
#: What each page may take at most in 95 of 100 cases, in milliseconds.
BARS = {"home": 120.0, "list": 200.0, "detail": 120.0}
SCRIPT = """
done = function(summary, latency, requests)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("RESULT %f %f %f %d %d %d\\n", latency:percentile(50), latency:percentile(95),
    latency:percentile(99), summary.requests, summary.duration, failed))
end
"""


@dataclass(frozen=True, slots=True)
class Driven:
    """What one page gave: milliseconds, requests a second, and how many failed."""

    p50: float
    p95: float
    p99: float
    rate: float
    failed: int


def main() -> None:
    """Parse, serve, drive, print."""
    options = parser(__doc__ or "")
    options.add_argument(
        "--instance", type=Path, help="an instance with the demonstration; default: a new one"
    )
    options.add_argument("--offers", type=int, default=0, help="generated offers to import besides")
    options.add_argument("--seconds", type=int, default=8, help="how long each page is driven")
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--own-client", action="store_true", help="do not use wrk")
    args = options.parse_args()
    with contextlib.ExitStack() as stack:
        folder = args.instance or demonstration(
            Path(stack.enter_context(tempfile.TemporaryDirectory())), args.offers
        )
        rows = [*starting(folder)]
        port = stack.enter_context(served(folder, args.workers))
        for path in pages(port).values():
            for _ in range(20):
                fetch(port, path)
        for who, cookie in (("visitor", ""), ("logged in", log_in(port))):
            for name, path in pages(port).items():
                rows += figures(f"{name}, {who}", drive(args, port, path, cookie))
    report("pages", rows, args.json)


def demonstration(folder: Path, offers: int) -> Path:
    """A new instance with the demonstration, and ``offers`` more offers."""
    instance = folder / "instance"
    keyun(instance, "init")
    keyun(instance, "demo")
    if offers:
        enlarge(instance, offers, folder / "corpus")
    return instance


def enlarge(instance: Path, offers: int, corpus: Path) -> None:
    """Import generated offers with their users and organizations, and bring the indexes up to date."""
    import generate
    from keyun import config
    from keyun.access import system
    from keyun.exchange import run
    from keyun.jobs import Worker
    from keyun.runtime import Runtime
    from keyun.site import Site

    names = {"organizations": "organizations.csv", "users": "users.csv", "offers": "offers.jsonl"}
    people = max(offers, 100)
    scale = generate.Scale(
        f"pages-{offers}", offers, needs=1, users=people, workers=people // 2, organizations=people // 10
    )
    generate.generate(scale, corpus, names.values())
    site = Site.open(Runtime(config.load(instance, {})))
    for name, file in names.items():
        run(site, site.importers[name], corpus / file, system())
    worker = Worker(site)
    worker.schedule()
    worker.drain()
    site.runtime.close()


def keyun(instance: Path, *arguments: str) -> None:
    """Run a command; its output shows only when it fails."""
    command = [*KEYUN, "--instance", str(instance), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def starting(instance: Path) -> Iterator[Row]:
    """How long people wait for ``keyun --help``, and visitors for the first answer of a fresh server."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([*KEYUN, "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - begin)
    yield Row("keyun --help, median of 5", statistics.median(times), "s", "bar 0.5")
    environment = os.environ | {"KEYUN_INSTANCE": str(instance)}
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST], env=environment, capture_output=True, check=True)
        times.append(time.perf_counter() - begin)
    yield Row(
        "a fresh process builds the pages and answers, median of 3", statistics.median(times), "s", "bar 2"
    )
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        with served(instance, workers=1, jobs=False) as port:
            fetch(port, "/")
            times.append(time.perf_counter() - begin)
    yield Row(
        "`keyun serve` with its supervisor to the first page, median of 3", statistics.median(times), "s"
    )


@contextlib.contextmanager
def served(instance: Path, workers: int, jobs: bool = True) -> Iterator[int]:
    """A server on a free port, once it answers; it is stopped at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [*KEYUN, "--instance", str(instance), "serve", "--port", str(port), "--workers", str(workers)]
    environment = os.environ | {"KEYUN_WEB__LOGIN_LIMIT": "1000 per minute"}
    with open(instance / "serve.log", "ab") as log:
        process = subprocess.Popen([*command, *([] if jobs else ["--no-jobs"])], stderr=log, env=environment)
        try:
            wait_for(port, process, instance / "serve.log")
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server takes connections."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            fetch(port, "/healthz")
            return
        time.sleep(0.01)
    raise SystemExit(f"the server did not start; see {log}")


def fetch(
    port: int, path: str, cookie: str = "", body: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    """One request of its own connection; the answer is read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = HEADERS | {"Accept-Encoding": "identity", **({"Cookie": cookie} if cookie else {})}
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection.request(
        "GET" if body is None else "POST", path, urllib.parse.urlencode(body) if body else None, headers
    )
    answer = connection.getresponse()
    answer.text = answer.read().decode("utf-8", "replace")  # type: ignore[attr-defined]
    connection.close()
    if answer.status >= 400:
        raise SystemExit(f"{path} answers {answer.status}")
    return answer


def text_of(answer: http.client.HTTPResponse) -> str:
    """The body that :func:`fetch` has read."""
    return str(answer.text)  # type: ignore[attr-defined]


def pages(port: int) -> dict[str, str]:
    """The kinds of pages, and one address of each as a visitor finds it."""
    found = {"home": "/"}
    for what, address in (("offers", "/marketplace/offers"), ("articles", "/popsci/")):
        links = re.findall(rf'href="({address.rstrip("/")}/[0-9a-f-]{{36}})"', text_of(fetch(port, address)))
        found |= {f"list of {what}": address, f"detail of {what}": links[0]}
    return found


def log_in(port: int) -> str:
    """The cookie of a demonstration user."""
    page = fetch(port, "/login")
    token = re.search(r'name="csrf_token" value="([^"]+)"', text_of(page))
    assert token is not None, "the log-in page has no token"
    cookie = (page.getheader("Set-Cookie") or "").partition(";")[0]
    values = {"csrf_token": token[1], "login": LOGIN, "password": PASSWORD}
    return (fetch(port, "/login", cookie, values).getheader("Set-Cookie") or "").partition(";")[0]


def figures(what: str, driven: Driven) -> Iterator[Row]:
    """The rows of one page."""
    bar = BARS[what.split()[0].strip(",")]
    verdict = f"bar {bar:.0f}{'' if driven.p95 <= bar else ', MISSED'}"
    yield Row(f"{what}: p95", driven.p95, "ms", f"{verdict}; p50 {driven.p50:.1f}, p99 {driven.p99:.1f}")
    failed = f"{driven.failed} FAILED" if driven.failed else "none failed"
    yield Row(f"{what}: requests", driven.rate, "1/s", failed)


def drive(args: argparse.Namespace, port: int, path: str, cookie: str) -> Driven:
    """Keep ``--connections`` requests for ``path`` under way for ``--seconds``."""
    if shutil.which("wrk") and not args.own_client:
        return with_wrk(args, port, path, cookie)
    return by_hand(args, port, path, cookie)


def with_wrk(args: argparse.Namespace, port: int, path: str, cookie: str) -> Driven:
    """Let wrk do it."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        headers = HEADERS | ({"Cookie": cookie} if cookie else {})
        given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        command = ["wrk", "-t1", f"-c{args.connections}", f"-d{args.seconds}s", "-s", script.name, *given]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
        )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    p50, p95, p99, count, duration, failed = (float(v) for v in line.split()[1:])
    return Driven(p50 / 1e3, p95 / 1e3, p99 / 1e3, count / duration * 1e6, int(failed))


def by_hand(args: argparse.Namespace, port: int, path: str, cookie: str) -> Driven:
    """A thread for each connection."""
    until = time.perf_counter() + args.seconds
    times: list[float] = []
    failed: list[int] = []

    def one() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.perf_counter() < until:
            begin = time.perf_counter()
            connection.request("GET", path, headers=HEADERS | ({"Cookie": cookie} if cookie else {}))
            answer = connection.getresponse()
            answer.read()
            times.append((time.perf_counter() - begin) * 1e3)
            if answer.status != 200:
                failed.append(answer.status)

    threads = [threading.Thread(target=one) for _ in range(args.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(times) / args.seconds
    return Driven(quantile(times, 0.5), quantile(times, 0.95), quantile(times, 0.99), rate, len(failed))


if __name__ == "__main__":
    main()
