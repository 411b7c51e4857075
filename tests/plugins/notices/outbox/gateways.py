"""Real local servers that behave as providers do: they limit, refuse, repeat, answer late, and break off."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Said = dict[str, Any]


@dataclass
class Gateway:
    """What arrived, and how to answer. ``accepted`` counts letters by their key, whatever was answered."""

    port: int = 0
    #: Every request: path, headers in small letters, body.
    requests: list[tuple[str, dict[str, str], Said]] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)
    #: What is answered to a phone, a follower or a path in place of taking the letter.
    codes: dict[str, Any] = field(default_factory=dict)
    #: Statuses for the next requests, in place of everything else; 0 breaks off before reading on.
    statuses: list[int] = field(default_factory=list)
    #: Take so many requests and break off without an answer.
    cuts: int = 0
    #: Called after a letter was taken and before the answer goes out.
    before_answer: Callable[[], None] = lambda: None
    retry_after: str = ""
    #: The gateway takes a key once only and answers a repeat as before.
    dedupes: bool = False
    token: str = "token-1"
    tokens: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def take(self, key: str) -> bool:
        """Note that a letter was taken; False when it is a repeat that the gateway recognises."""
        with self.lock:
            if self.dedupes and self.accepted[key]:
                return False
            self.accepted[key] += 1
            return True

    @property
    def letters(self) -> int:
        """How many letters went out to people."""
        return self.accepted.total()


class Handler(BaseHTTPRequestHandler):
    """Reads JSON, and leaves the answer to ``answer``."""

    gateway: Gateway
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:
        """Tests print nothing."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {k.lower(): v for k, v in self.headers.items()}
        body = json.loads(raw) if raw[:1] == b"{" else {"raw": raw}
        g = self.gateway
        with g.lock:
            g.requests.append((self.path, headers, {**body, "_raw": raw}))
            status = g.statuses.pop(0) if g.statuses else None
        if status == 0:
            self.close_connection = True
            return
        if status is not None:
            self.reply(status, {"error": "told to"})
            return
        said = self.answer(body)
        g.before_answer()
        with g.lock:
            cut = g.cuts > 0
            g.cuts -= cut
        if cut:
            self.close_connection = True
            return
        self.reply(said.pop("_status", 200), said)

    def answer(self, body: Said) -> Said:
        raise NotImplementedError

    def reply(self, status: int, said: Said) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.gateway.retry_after:
            self.send_header("Retry-After", self.gateway.retry_after)
        self.end_headers()
        # The worker may have been killed meanwhile.
        with contextlib.suppress(OSError):
            self.wfile.write(data)


class SmsHandler(Handler):
    """An SMS gateway as the default settings describe it."""

    def answer(self, body: Said) -> Said:
        g = self.gateway
        if self.path == "/ask":
            known = g.accepted[body["id"]]
            return {"code": "0", "id": f"ref-{body['id']}"} if known else {"_status": 404}
        results = []
        for item in body["messages"]:
            code = g.codes.get(item["phone"], "0")
            if code == "0":
                g.take(item["id"])
            results.append({"code": code, "id": f"ref-{item['id']}"})
        return {"results": results}


class WechatHandler(Handler):
    """The two calls of WeChat that are used: a token, and a template message."""

    def answer(self, body: Said) -> Said:
        g = self.gateway
        parts = urlsplit(self.path)
        if parts.path == "/cgi-bin/stable_token":
            with g.lock:
                g.tokens += 1
            if body["secret"] != "wechat-secret":
                return {"errcode": 40125, "errmsg": "invalid appsecret"}
            return {"access_token": g.token, "expires_in": 7200}
        if parse_qs(parts.query).get("access_token") != [g.token]:
            return {"errcode": g.codes.get("token", 40001), "errmsg": "invalid credential"}
        code = g.codes.get(body["touser"], 0)
        if code:
            return {"errcode": code, "errmsg": "told to"}
        g.take(body["client_msg_id"])
        number = int(hashlib.sha256(body["client_msg_id"].encode()).hexdigest()[:12], 16)
        return {"errcode": 0, "errmsg": "ok", "msgid": number}


class HookHandler(Handler):
    """A webhook or a robot: takes everything, and answers as the path asks."""

    def answer(self, body: Said) -> Said:
        g = self.gateway
        path = urlsplit(self.path).path
        g.take(self.headers.get("Idempotency-Key") or path)
        return dict(g.codes.get(path, {"errcode": 0, "code": 0}))


@contextlib.contextmanager
def serve(handler: type[Handler], **settings: Any) -> Iterator[Gateway]:
    """Run a provider on a free port of this machine."""
    state = Gateway(**settings)
    kind = type("Bound", (handler,), {"gateway": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def signed(secret: str, stamp: int, body: bytes) -> dict[str, str]:
    """The headers of a callback of an SMS gateway."""
    mark = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Timestamp": str(stamp), "X-Signature": mark, "Content-Type": "application/json"}
