"""One HTTP call to a provider: bounded in time and size, certificates checked, no redirect followed.

What matters to the outbox is how far a failed call came: :class:`NotSent` says that the provider cannot
have seen it, :class:`NoAnswer` that it may have. Neither text holds the address or what was sent.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

#: Answers of providers are small.
MOST_ANSWER = 256 * 1024
#: Longest pause that a provider may ask for, in seconds.
MOST_PAUSE = 86_400.0
#: What may stand in a path and a query as it is (RFC 3986), percent signs of what is quoted already included.
UNCHANGED = "/?:@!$&'()*+,;=-._~%"
SCHEMES = {"http": 80, "https": 443}


class NotSent(Exception):
    """No connection, or an address that may not be called: the provider cannot have seen the request."""


class NoAnswer(Exception):
    """The connection broke, or the answer came too late or too long: the provider may have acted."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes; with ``private`` it may be a machine of the own network."""

    url: str
    timeout: float = 10.0
    private: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status says that it worked."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one when it is something else."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def retry_after(self) -> float | None:
        """The seconds of ``Retry-After``, bounded; None without it. A date counts as one minute."""
        text = self.headers.get("retry-after", "").strip()
        if not text:
            return None
        return min(float(text), MOST_PAUSE) if text.isascii() and text.isdigit() else 60.0


def post_json(target: Target, data: object, headers: Mapping[str, str] | None = None) -> Answer:
    """POST ``data`` as JSON."""
    body = json.dumps(data, ensure_ascii=False).encode()
    return call(target, "POST", body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def call(target: Target, method: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Make one call.

    :raises NotSent: when the provider cannot have seen it.
    :raises NoAnswer: when it may have.
    """
    parts = urlsplit(target.url)
    host = parts.hostname or ""
    if parts.scheme not in SCHEMES or not host:
        raise NotSent("the address of the provider is no http or https address")
    until = time.monotonic() + target.timeout
    try:
        port = parts.port or SCHEMES[parts.scheme]
    except ValueError:
        raise NotSent("the address of the provider has no good port") from None
    connection = _connected(parts.scheme, host, port, target)
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=UNCHANGED)
    try:
        given = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "keyun", "Connection": "close"}
        with _cut_off(connection.sock, until - time.monotonic()):
            connection.request(method, path, body, given | dict(headers))
            answer = connection.getresponse()
            found = _read(answer, connection, until)
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, found)
    except (OSError, http.client.HTTPException, ValueError) as e:
        raise NoAnswer(f"the connection broke before the answer: {type(e).__name__}") from None
    finally:
        connection.close()


def _connected(scheme: str, host: str, port: int, target: Target) -> http.client.HTTPConnection:
    try:
        address = _resolve(host, port, target.private)
        raw = socket.create_connection(address, target.timeout)
    except (OSError, UnicodeError) as e:
        raise NotSent(f"no connection to the provider: {type(e).__name__}") from None
    try:
        if scheme == "https":
            with _cut_off(raw, target.timeout):
                raw = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
    except (OSError, ValueError) as e:
        raw.close()
        raise NotSent(f"no safe connection to the provider: {type(e).__name__}") from None
    # The address was judged once, so it is not looked up again.
    connection = http.client.HTTPConnection(host, port, timeout=target.timeout)
    connection.sock = raw
    return connection


@contextmanager
def _cut_off(connection: socket.socket, seconds: float) -> Iterator[None]:
    """End ``connection`` after so long, even if a byte comes now and then: the lease of a letter ends too."""
    until = time.monotonic() + seconds
    # Wrapping a socket takes its number away, so the timer has one of its own.
    with socket.socket(fileno=os.dup(connection.fileno())) as own:
        timer = threading.Timer(max(seconds, 0.0), _shut, [own])
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
    # An answer that ends in its head would look like a whole one.
    if time.monotonic() >= until:
        raise TimeoutError


def _shut(connection: socket.socket) -> None:
    # The other side may have ended it already.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _resolve(host: str, port: int, private: bool) -> tuple[str, int]:
    """One address of ``host``; a name from outside must not lead into the own network."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, where in found:
        if private or ipaddress.ip_address(str(where[0]).partition("%")[0]).is_global:
            return str(where[0]), port
    raise NotSent("the address leads into a private network; allow that with private_webhooks")


def _read(answer: http.client.HTTPResponse, connection: http.client.HTTPConnection, until: float) -> bytes:
    """The body, piece by piece, so that one byte a second is no way to hold a worker."""
    found = b""
    while piece := answer.read1(65_536):
        found += piece
        if len(found) > MOST_ANSWER:
            raise http.client.HTTPException("too long")
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(left)
    if answer.length:
        raise http.client.IncompleteRead(found, answer.length)
    return found
