"""Robots of group chats: WeCom, DingTalk and Feishu. The address of a relay says which one it is.

Limits are those of the services, for each robot: WeCom 30 a minute and 1,000 an hour, DingTalk 20 a minute
(then ten minutes of silence), Feishu 100 a minute and 5 a second. The key of a signed robot stands behind
``#`` in its address and is never sent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

import sqlalchemy as sa

from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox.channels.http import Answer, Target, post_json
from keyun_notices.outbox.channels.protocol import (
    Channel,
    Gone,
    Handed,
    Later,
    Letter,
    Limit,
    Provider,
    Refused,
    Result,
)
from keyun_notices.outbox.channels.results import guarded, judged
from keyun_notices.relays.models import Relay

#: Bytes that every one of the services takes.
MOST = 2000


@dataclass(frozen=True, slots=True)
class Kind:
    """One service of group robots: what its addresses look like, what it takes and what its codes mean."""

    name: str
    title: str
    title_en: str
    path: str
    limit: Limit
    body: Callable[[str], dict[str, Any]]
    sign: Callable[[str, str, float, dict[str, Any]], tuple[str, dict[str, Any]]]
    code: str
    busy: Mapping[int, float]
    gone: frozenset[int]


def _text(content: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": content}}


def _feishu_text(content: str) -> dict[str, Any]:
    return {"msg_type": "text", "content": {"text": content}}


def _unsigned(url: str, _key: str, _now: float, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return url, body


def _dingtalk_signed(url: str, key: str, now: float, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    stamp = str(int(now * 1000))
    mark = base64.b64encode(hmac.digest(key.encode(), f"{stamp}\n{key}".encode(), hashlib.sha256)).decode()
    return f"{url}&timestamp={stamp}&sign={quote_plus(mark)}", body


def _feishu_signed(url: str, key: str, now: float, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    stamp = str(int(now))
    mark = base64.b64encode(hmac.digest(f"{stamp}\n{key}".encode(), b"", hashlib.sha256)).decode()
    return url, {**body, "timestamp": stamp, "sign": mark}


KINDS = (
    # burst + rate * 60 = 30 and burst + rate * 3600 < 1000.
    Kind(
        "wecom", "企业微信群", "WeCom group", "/cgi-bin/webhook/send", Limit(16 / 60, 14),
        _text, _unsigned, "errcode", {45009: 60.0}, frozenset({93000}),
    ),
    Kind(
        "dingtalk", "钉钉群", "DingTalk group", "/robot/send", Limit(15 / 60, 5),
        _text, _dingtalk_signed, "errcode", {130101: 600.0, 660026: 600.0}, frozenset({300001}),
    ),
    Kind(
        "feishu", "飞书群", "Feishu group", "/open-apis/bot/v2/hook/", Limit(95 / 60, 3),
        _feishu_text, _feishu_signed, "code", {11232: 60.0, 9499: 60.0}, frozenset({19001}),
    ),
)  # fmt: skip


def channels(settings: Mapping[str, Any]) -> list[Channel]:
    """A channel for each service; it is there as soon as a relay has such an address."""
    return [_channel(kind, settings["private_webhooks"]) for kind in KINDS]


def robot(url: str) -> Kind | None:
    """Which service the robot at ``url`` belongs to; None when it is no robot."""
    path = urlsplit(url).path
    return next((k for k in KINDS if path.startswith(k.path)), None)


def _channel(kind: Kind, private: bool) -> Channel:
    def reaches(unit: UnitOfWork, recipients: str, ids: Sequence[int]) -> dict[int, str]:
        if recipients != "relay":
            return {}
        query = sa.select(Relay.id, Relay.webhook).where(Relay.id.in_(ids), Relay.active.is_(True))
        return {i: url for i, url in unit.session.execute(query) if url and robot(url) is kind}

    def send(site: Site, letters: Sequence[Letter]) -> Sequence[Result]:
        now = site.runtime.clock().timestamp()
        return [guarded(lambda one=letter: _send(kind, one, now, private)) for letter in letters]  # type: ignore[misc]

    provider = Provider(kind.name, send, kind.limit, lane=lane)
    return Channel(kind.name, kind.title, kind.title_en, (provider,), reaches, frozenset({"relay"}))


def lane(url: str) -> str:
    """Each robot has its own limit; its address is a key, so only a digest of it is kept."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def _send(kind: Kind, letter: Letter, now: float, private: bool) -> Result:
    url, _, key = letter.to.partition("#")
    body = kind.body(cut_bytes("\n".join(p for p in (f"【{letter.title}】", letter.text, letter.link) if p)))
    if key:
        url, body = kind.sign(url, key, now, body)
    return _judged(kind, post_json(Target(url, private=private), body))


def _judged(kind: Kind, answer: Answer) -> Result:
    if not answer.ok:
        return judged(kind.title_en, answer)
    code = answer.json().get(kind.code, -1)
    text = f"{kind.title_en} says {str(code)[:20]}"
    if code == 0:
        return Handed()
    if code in kind.busy:
        return Later(text, kind.busy[code], whole=True)
    return Gone(text) if code in kind.gone else Refused(text)


def cut_bytes(text: str) -> str:
    """``text`` in at most :data:`MOST` bytes."""
    if len(text.encode()) <= MOST:
        return text
    return text.encode()[: MOST - 3].decode(errors="ignore") + "…"
