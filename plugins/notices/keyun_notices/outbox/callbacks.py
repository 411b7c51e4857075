"""What SMS gateways and WeChat send us: prove that it is them, read it, and do it."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from keyun.errors import Forbidden, Invalid, NotFound
from keyun.uow import UnitOfWork
from keyun_notices.outbox import binding, receipts
from keyun_notices.outbox.channels import wechat
from keyun_notices.outbox.channels.sms import provider_name
from keyun_notices.outbox.receipts import Said

#: How far the clock of whoever calls may be off; an older signature is a replay.
SKEW = dt.timedelta(minutes=5)
MOST_XML = 20_000
FORGED = "签名不对或已过期。 (The signature is wrong or too old.)"
UNREADABLE = "不是微信的消息。 (This is no message of WeChat.)"
BINDS = re.compile(r"^(?:绑定|BD|bind)[\s:：]*([A-Za-z0-9]{8})$", re.IGNORECASE)
BOUND = "绑定成功，通知会发到这里。回复“退订”随时停止。"
WRONG_CODE = "绑定码不对或已过期，请在网站上重新取一个。"
STOPPED = "已退订，不会再发到这里。"


def check_gateway(unit: UnitOfWork, name: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """The settings of the SMS gateway ``name`` when it signed ``body`` itself.

    ``X-Signature`` is the HMAC-SHA256 of ``<X-Timestamp>.<body>`` in hexadecimal digits.

    :raises NotFound: when there is no such gateway.
    :raises Forbidden: when it did not, or long ago.
    """
    found = receipts.gateway(unit.site.plugins.settings("notices"), name)
    if found is None:
        raise NotFound("没有这个短信网关。 (No such gateway.)")
    stamp = headers.get("X-Timestamp", "")
    secret = str(found["callback_secret"])
    mark = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    good = hmac.compare_digest(mark.encode(), headers.get("X-Signature", "").lower().encode())
    if not secret or not good or not _recent(unit, stamp):
        raise Forbidden(FORGED)
    return found


def gateway_receipts(unit: UnitOfWork, settings: Mapping[str, Any], said: Sequence[Mapping[str, str]]) -> int:
    """Apply receipts of an SMS gateway; a state that is not final changes nothing. Open: it proved itself."""
    final = [_said(settings, one) for one in said if one["state"] not in settings["pending"]]
    return receipts.take(unit, provider_name(settings["name"]), final)


def _said(settings: Mapping[str, Any], one: Mapping[str, str]) -> Said:
    arrived = one["state"] in settings["arrived"]
    reason = "" if arrived else f"the gateway says {one['state'][:40]}"
    return Said(one["id"], one["reference"], arrived, reason, one["state"] in settings["dead"])


def check_wechat(unit: UnitOfWork, arguments: Mapping[str, str]) -> None:
    """Stop unless WeChat called: SHA-1 over the sorted token, timestamp and nonce, as it prescribes.

    :raises NotFound: without ``[plugin.notices.wechat]``.
    :raises Forbidden: when it did not, or long ago.
    """
    token = str(binding.wechat_settings(unit.site)["token"])
    stamp, nonce = arguments.get("timestamp", ""), arguments.get("nonce", "")
    mark = hashlib.sha1("".join(sorted((token, stamp, nonce))).encode()).hexdigest()
    good = hmac.compare_digest(mark.encode(), arguments.get("signature", "").lower().encode())
    if not good or not _recent(unit, stamp):
        raise Forbidden(FORGED)


def _recent(unit: UnitOfWork, stamp: str) -> bool:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    return abs(unit.now.timestamp() - int(stamp)) <= SKEW.total_seconds()


def wechat_message(unit: UnitOfWork, body: bytes) -> str:
    """Do what a message or event of WeChat says; returns the answer (XML), or ``success``.

    Open: the signature was checked.

    :raises Invalid: when it cannot be read.
    """
    message = _parsed(body)
    openid = message.get("FromUserName", "")
    kind, event = message.get("MsgType", ""), message.get("Event", "")
    if kind == "event" and event == "TEMPLATESENDJOBFINISH":
        status = message.get("Status", "")
        arrived = status == "success"
        said = Said("", message.get("MsgID", ""), arrived, "" if arrived else f"WeChat says {status[:60]}")
        receipts.take(unit, wechat.NAME, [said])
    elif kind == "event" and event == "unsubscribe":
        binding.left(unit, openid)
    elif kind == "text" and (answer := _texted(unit, openid, message.get("Content", ""))):
        return _answer(message, answer, int(unit.now.timestamp()))
    return "success"


def _texted(unit: UnitOfWork, openid: str, text: str) -> str:
    if found := BINDS.match(text.strip()):
        return BOUND if binding.bind(unit, openid, found[1]) else WRONG_CODE
    if receipts.is_stop(text):
        binding.left(unit, openid)
        return STOPPED
    return ""


def _parsed(body: bytes) -> dict[str, str]:
    if len(body) > MOST_XML:
        raise Invalid(UNREADABLE)
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise Invalid(UNREADABLE) from None
    return {child.tag: (child.text or "").strip().replace("\x00", "")[:500] for child in root}


def _answer(message: Mapping[str, str], text: str, now: int) -> str:
    to, sender = escape(message.get("FromUserName", "")), escape(message.get("ToUserName", ""))
    return (
        f"<xml><ToUserName>{to}</ToUserName><FromUserName>{sender}</FromUserName>"
        f"<CreateTime>{now}</CreateTime><MsgType>text</MsgType><Content>{escape(text)}</Content></xml>"
    )
