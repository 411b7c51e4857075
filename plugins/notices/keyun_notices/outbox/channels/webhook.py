"""Signed webhooks for relays: a device or a system that passes notices on.

``X-Keyun-Signature`` is ``sha256=`` and the HMAC-SHA256 of ``<X-Keyun-Timestamp>.<body>`` under the key of
the relay. ``Idempotency-Key`` is the same for every attempt: whoever receives one twice does it once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox.channels import bots
from keyun_notices.outbox.channels.http import Target, call
from keyun_notices.outbox.channels.protocol import Channel, Letter, Limit, Provider, Result
from keyun_notices.outbox.channels.results import guarded, judged
from keyun_notices.relays.models import Relay

NAME = "webhook"
#: For each relay.
LIMIT = Limit(per_second=2.0, burst=5)
#: Receivers promise to take a key once only; for a day we hold them to it.
REPEAT_FOR = 86_400.0


def channel(settings: Mapping[str, Any]) -> Channel | None:
    """The channel; None without ``webhook_secret``."""
    if not settings["webhook_secret"]:
        return None
    hook = Webhook(settings["webhook_secret"], settings["private_webhooks"])
    provider = Provider(NAME, hook.send, LIMIT, repeat_for=REPEAT_FOR, lane=bots.lane)
    return Channel(NAME, "网络回调", "Webhook", (provider,), reaches, frozenset({"relay"}))


def reaches(unit: UnitOfWork, kind: str, ids: Sequence[int]) -> dict[int, str]:
    """The addresses of relays that are no robots, each with the public id that its key is made from."""
    if kind != "relay":
        return {}
    query = sa.select(Relay.id, Relay.public_id, Relay.webhook)
    query = query.where(Relay.id.in_(ids), Relay.active.is_(True), Relay.webhook.is_not(None))
    rows = unit.session.execute(query)
    return {i: f"{public} {url}" for i, public, url in rows if url and bots.robot(url) is None}


def key_of(secret: str, public_id: str) -> str:
    """The key of one relay, so that no relay can speak for another."""
    return hmac.new(secret.encode(), public_id.encode(), hashlib.sha256).hexdigest()


def signature(key: str, stamp: str, body: bytes) -> str:
    """What stands in ``X-Keyun-Signature``."""
    return "sha256=" + hmac.new(key.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Webhook:
    """Posts letters to relays."""

    def __init__(self, secret: str, private: bool) -> None:
        self.secret = secret
        self.private = private

    def send(self, site: Site, letters: Sequence[Letter]) -> Sequence[Result]:
        """Hand letters over one by one."""
        return [guarded(partial(self._send, site, letter)) for letter in letters]

    def _send(self, site: Site, letter: Letter) -> Result:
        public_id, _, url = letter.to.partition(" ")
        said = {
            "id": letter.key,
            "title": letter.title,
            "text": letter.text,
            "link": letter.link,
            "topic": letter.topic,
            "region": letter.region,
            "urgent": letter.urgent,
        }
        body = json.dumps(said, ensure_ascii=False).encode()
        stamp = str(int(site.runtime.clock().timestamp()))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": letter.key,
            "X-Keyun-Timestamp": stamp,
            "X-Keyun-Signature": signature(key_of(self.secret, public_id), stamp, body),
        }
        # One relay that is down says nothing about the others.
        return judged("the webhook", call(Target(url, private=self.private), "POST", body, headers))
