"""A gateway on this machine that takes SMS and webhooks and remembers them."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Gateway:
    """What came in, and what is answered: SMS below /sms, webhooks elsewhere."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.hooks: list[dict[str, Any]] = []
        #: The code that the next messages get; 0 takes them.
        self.code = "0"
        self.port = 0

    @property
    def config(self) -> dict[str, Any]:
        """``[plugin.notices]`` that leads here."""
        url = f"http://127.0.0.1:{self.port}"
        sms = {
            "url": f"{url}/sms",
            "secret": "s",
            "taken": ["0"],
            "dead": ["9"],
            "callback_secret": "call me back",
            "template": "T1",
            "signature": "科云",
        }
        return {
            "sms": [sms],
            "webhook_secret": "w",
            "private_webhooks": True,
            "quiet_from": "00:00",
            "quiet_until": "00:00",
        }

    def texts(self, number: str) -> list[str]:
        """The titles that went to a number."""
        return [m["title"] for m in self.messages if m["phone"].endswith(number)]

    def take(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Take one request."""
        if path != "/sms":
            self.hooks.append(body)
            return {}
        self.messages += body["messages"]
        return {"results": [{"code": self.code, "id": f"g{m['id'][:8]}"} for m in body["messages"]]}


@contextlib.contextmanager
def gateway() -> Iterator[Gateway]:
    """Run a gateway on a free port."""
    made = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(made.take(self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
