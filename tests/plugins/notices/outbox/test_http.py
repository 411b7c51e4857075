"""One HTTP call to a provider: bounded, and honest about how far it came."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from keyun_notices.outbox.channels.http import Answer, NoAnswer, NotSent, Target, post_json
from keyun_notices.outbox.channels.protocol import Gone, Handed, Later, Refused, Unknown
from keyun_notices.outbox.channels.results import judged
from keyun_notices.outbox.channels.templates import cut, fill


@contextmanager
def raw_server(answer: bytes, *, keep_open: bool = False) -> Iterator[str]:
    """A server that reads a request and writes these bytes."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
                if keep_open:
                    done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            done.set()
            thread.join()


def test_nothing_was_sent_when_nobody_listens() -> None:
    with pytest.raises(NotSent, match="no connection"):
        post_json(Target("http://127.0.0.1:9/"), {})


@pytest.mark.parametrize("url", ["ftp://example.org/", "file:///etc/passwd", "nothing", "http://"])
def test_only_http_is_called(url: str) -> None:
    with pytest.raises(NotSent):
        post_json(Target(url), {})


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"]
)
def test_an_answer_that_breaks_off_says_that_nobody_knows(answer: bytes) -> None:
    with raw_server(answer) as url, pytest.raises(NoAnswer):
        post_json(Target(url), {})


def test_an_answer_that_does_not_come_is_waited_for_so_long_only() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\n", keep_open=True) as url, pytest.raises(NoAnswer):
        post_json(Target(url, timeout=0.2), {})


def test_headers_that_drip_do_not_hold_a_worker() -> None:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                for _ in range(100):
                    if done.wait(0.05):
                        break
                    connection.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(NoAnswer):
                post_json(Target(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.2), {})
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize("url", ["http://example.org:99999/", f"http://{'x' * 70}.example.org/"])
def test_an_address_that_is_none_was_not_called(url: str) -> None:
    with pytest.raises(NotSent):
        post_json(Target(url), {})


def test_an_answer_without_an_end_is_cut_off() -> None:
    long = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 400_000
    with raw_server(long) as url, pytest.raises(NoAnswer):
        post_json(Target(url), {})


def test_an_unsafe_connection_is_not_used() -> None:
    with raw_server(b"plain words") as url, pytest.raises(NotSent, match="no safe connection"):
        post_json(Target(url.replace("http:", "https:")), {"secret": 1})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Handed),
        (204, Handed),
        (301, Refused),
        (400, Refused),
        (401, Later),
        (404, Gone),
        (410, Gone),
        (429, Later),
        (500, Unknown),
        (503, Later),
    ],
)
def test_what_a_status_means(status: int, kind: type) -> None:
    assert isinstance(judged("it", Answer(status, {}, b"")), kind)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("120", 120.0),
        ("9" * 30, 86_400.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 60.0),
        ("-5", 60.0),
    ],
)
def test_a_pause_that_is_asked_for_is_bounded(text: str, seconds: float | None) -> None:
    assert Answer(429, {"retry-after": text}, b"").retry_after() == seconds


@pytest.mark.parametrize("body", [b"", b"[]", b"nan", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_object_counts_as_an_empty_one(body: bytes) -> None:
    assert Answer(200, {}, body).json() == {}


def test_what_people_write_is_no_template() -> None:
    assert fill("{a}-{b}-{c}", {"a": "{b}", "b": "{a}"}) == "{b}-{a}-{c}"
    assert cut("一\n二 三四五", 4) == "一 二…"
