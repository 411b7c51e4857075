"""A mail server for tests: it keeps what it is given, and refuses what it is told to refuse."""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

__all__ = ["MailServer", "mail_server"]


@dataclass
class MailServer:
    """What arrived, and how to answer; ``config`` is the table ``[mail]`` that leads here."""

    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)
    #: Replies to RCPT by address, such as ``{"nobody@example.org": "550 unknown"}``.
    refuse: dict[str, str] = field(default_factory=dict)
    #: User and password that must be given.
    account: tuple[str, str] | None = None
    #: Offers STARTTLS with this.
    tls: ssl.SSLContext | None = None
    #: Takes so many mails and breaks off before the answer.
    cuts: int = 0
    #: The answer to QUIT.
    farewell: str = "221 bye"

    @property
    def config(self) -> dict[str, Any]:
        """``[mail]`` of ``keyun.toml``."""
        return {
            "host": "localhost",
            "port": self.port,
            "starttls": False,
            "sender": "科云 <cloud@example.org>",
        }


@contextlib.contextmanager
def mail_server(**settings: Any) -> Iterator[MailServer]:
    """Run a mail server on a free port of this machine."""
    state = MailServer(**settings)

    class Handler(_Handler):
        server_state = state

    with socketserver.ThreadingTCPServer(("localhost", 0), Handler) as server:
        server.daemon_threads = False
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Handler(socketserver.StreamRequestHandler):
    """The part of SMTP (RFC 5321) that clients speak."""

    server_state: MailServer
    timeout = 30

    def handle(self) -> None:
        self.trusted = self.server_state.account is None
        self.reply("220 test")
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            answer = getattr(self, f"on_{word.lower()}", lambda rest: "502 unknown")(rest)
            if answer:
                self.reply(answer)
            if word.upper() == "QUIT":
                return

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def reply(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()

    def on_ehlo(self, rest: str) -> str:
        encrypted = isinstance(self.connection, ssl.SSLSocket)
        offers = ["STARTTLS"] if self.server_state.tls and not encrypted else []
        offers += ["AUTH PLAIN"] if self.server_state.account else []
        return "\r\n".join([*(f"250-{o}" for o in ["test", *offers]), "250 8BITMIME"])

    def on_starttls(self, rest: str) -> str:
        assert self.server_state.tls is not None
        self.reply("220 go on")
        self.connection = self.server_state.tls.wrap_socket(self.connection, server_side=True)
        self.request = self.connection
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        return ""

    def on_auth(self, rest: str) -> str:
        _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
        self.trusted = (user, password) == self.server_state.account
        return "235 ok" if self.trusted else "535 wrong"

    def on_mail(self, rest: str) -> str:
        return "250 ok" if self.trusted else "530 log in first"

    def on_rcpt(self, rest: str) -> str:
        address = rest.partition("<")[2].partition(">")[0]
        return self.server_state.refuse.get(address, "250 ok")

    def on_data(self, rest: str) -> str:
        self.reply("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        mail = message_from_bytes(b"".join(lines), EmailMessage, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.server_state.received.append(mail)
        if self.server_state.cuts:
            self.server_state.cuts -= 1
            self.connection.shutdown(socket.SHUT_RDWR)
            return ""
        return "250 ok"

    def on_rset(self, rest: str) -> str:
        return "250 ok"

    def on_quit(self, rest: str) -> str:
        return self.server_state.farewell
