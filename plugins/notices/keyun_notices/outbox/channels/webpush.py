"""Web Push (RFC 8030, 8291, 8292) to browsers; encryption comes from the extra ``notify``.

A person may have several browsers: a letter goes to each, and counts as handed over when one took it.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox.channels.http import Target, call
from keyun_notices.outbox.channels.protocol import (
    Channel,
    Gone,
    Handed,
    Later,
    Letter,
    Limit,
    Provider,
    Result,
    Unknown,
)
from keyun_notices.outbox.channels.results import guarded, judged
from keyun_notices.outbox.channels.templates import cut
from keyun_notices.outbox.models import PushSubscription

NAME = "webpush"
#: Browsers of one person that are kept.
MOST_BROWSERS = 5
#: How long a signature is good, in seconds; a push service takes at most a day.
SIGNED_FOR = 12 * 3600
TITLE, TEXT = 120, 300


def available() -> bool:
    """Whether the extra ``notify`` is installed."""
    return importlib.util.find_spec("pywebpush") is not None


def new_keys() -> tuple[str, str]:
    """A new private and public key, as the settings want them."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_numbers()
    point = b"\x04" + public.x.to_bytes(32, "big") + public.y.to_bytes(32, "big")
    private = key.private_numbers().private_value.to_bytes(32, "big")
    return _encoded(private), _encoded(point)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def channel(settings: Mapping[str, Any]) -> Channel | None:
    """The channel of ``[plugin.notices.webpush]``; None without it or without the extra."""
    own = settings["webpush"]
    if own is None or not available():
        return None
    limit = Limit(own["per_second"], own["burst"], own["per_day"])
    push = WebPush(own, settings["private_webhooks"])
    provider = Provider(NAME, push.send, limit, timeout=MOST_BROWSERS * own["timeout"])
    kinds = frozenset({"account", "digest"})
    return Channel(NAME, "浏览器推送", "Web Push", (provider,), reaches, kinds, forget=forget)


def reaches(unit: UnitOfWork, kind: str, ids: Sequence[int]) -> dict[int, str]:
    """The browsers of accounts, as one JSON text each."""
    if kind != "account":
        return {}
    query = sa.select(PushSubscription).where(PushSubscription.user_id.in_(ids)).order_by(PushSubscription.id)
    found: dict[int, list[list[str]]] = {}
    for s in unit.session.scalars(query):
        found.setdefault(s.user_id, []).append([s.endpoint, s.p256dh, s.auth])
    return {user_id: json.dumps(browsers) for user_id, browsers in found.items()}


def forget(unit: UnitOfWork, _kind: str, recipient_id: int, address: str) -> None:
    """Remove the browsers of a letter that all of them refused."""
    for endpoint, _p256dh, _auth in json.loads(address):
        _remove(unit, endpoint, recipient_id)


def digest(endpoint: str) -> str:
    """What tells browsers apart in the table."""
    return hashlib.sha256(endpoint.encode()).hexdigest()


def _remove(unit: UnitOfWork, endpoint: str, user_id: int | None = None) -> None:
    gone = sa.delete(PushSubscription).where(PushSubscription.digest == digest(endpoint))
    unit.session.execute(gone if user_id is None else gone.where(PushSubscription.user_id == user_id))


class WebPush:
    """Pushes letters with the key of the site."""

    def __init__(self, settings: Mapping[str, Any], private: bool) -> None:
        self.settings = settings
        self.private = private

    def send(self, site: Site, letters: Sequence[Letter]) -> Sequence[Result]:
        """Hand letters over one by one, each to all browsers of its person."""
        return [self._send(site, letter) for letter in letters]

    def _send(self, site: Site, letter: Letter) -> Result:
        results: list[Result] = []
        dead: list[str] = []
        for browser in json.loads(letter.to):
            result = guarded(lambda b=browser: self._push(site, letter, *b))  # type: ignore[misc]
            results.append(result)
            if isinstance(result, Gone):
                dead.append(browser[0])
        if dead and len(dead) < len(results):
            with site.writing() as unit:
                for endpoint in dead:
                    _remove(unit, endpoint)
        return _best(results)

    def _push(self, site: Site, letter: Letter, endpoint: str, p256dh: str, auth: str) -> Result:
        from pywebpush import WebPusher, WebPushException  # type: ignore[import-untyped]

        said = {
            "title": cut(letter.title, TITLE),
            "body": cut(letter.text, TEXT),
            "url": letter.link,
            # The browser shows one tag once, so that a repeat replaces what is there.
            "tag": letter.key,
        }
        try:
            pusher = WebPusher({"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}})
            body = pusher.encode(json.dumps(said, ensure_ascii=False).encode(), "aes128gcm")["body"]
        except (ValueError, WebPushException):
            return Gone("the keys of the browser are no good")
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(self.settings["keep"]),
            "Urgency": "high" if letter.urgent else "normal",
            "Topic": letter.key[:32],
            **self._signed(site, endpoint),
        }
        target = Target(endpoint, self.settings["timeout"], private=self.private)
        return judged("the push service", call(target, "POST", bytes(body), headers))

    def _signed(self, site: Site, endpoint: str) -> dict[str, str]:
        from py_vapid import Vapid02  # type: ignore[import-untyped]

        where = urlsplit(endpoint)
        until = int(site.runtime.clock().timestamp()) + SIGNED_FOR
        claims = {"sub": self.settings["subject"], "aud": f"{where.scheme}://{where.netloc}", "exp": until}
        signed: dict[str, str] = Vapid02.from_string(self.settings["private_key"]).sign(claims)
        return {"Authorization": signed["Authorization"]}


def _of_one(result: Result) -> Result:
    """Anybody can name an endpoint of his own, so what it answers says nothing about the others."""
    if isinstance(result, Later):
        return Later(result.reason, result.seconds)
    return Unknown(result.reason, whole=False) if isinstance(result, Unknown) else result


def _best(results: Sequence[Result]) -> Result:
    """One browser that took it is enough; what may have been taken is not sent again."""
    for kind in (Handed, Unknown, Later):
        for result in results:
            if isinstance(result, kind):
                return _of_one(result)
    return results[0] if results else Gone("no browser is left")
