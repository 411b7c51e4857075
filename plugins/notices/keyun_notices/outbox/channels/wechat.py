"""The template message of a WeChat official account (服务号).

Error codes: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Template_Message_Interface.html
``client_msg_id`` keeps one letter from being taken twice within ten minutes.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun.accounts import User
from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_notices.outbox.channels import tokens
from keyun_notices.outbox.channels.http import Answer, NoAnswer, NotSent, Target, post_json
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
    Unknown,
)
from keyun_notices.outbox.channels.results import judged
from keyun_notices.outbox.channels.templates import cut, filled
from keyun_notices.outbox.models import WechatBinding

log = logging.getLogger(__name__)
NAME = "wechat"
SEND = "/cgi-bin/message/template/send"
#: How long WeChat recognises a ``client_msg_id``, less what clocks may differ.
REPEAT_FOR = 540.0
TOKEN_BAD = frozenset({40001, 40014, 42001})
#: Not a follower, on the black list, not an OpenID of this account.
FOLLOWER_GONE = frozenset({43004, 43019, 40003})
QUOTA = 45009
BUSY = frozenset({-1, 45011, 45047})
#: The account or its template is wrong, not the letter.
ACCOUNT_WRONG = frozenset({40013, 40037, 40125, 40164, 48001, 50001, 50002})
#: Letters that a key word of a template may hold.
WORD = 20


def channel(settings: Mapping[str, Any] | None) -> Channel | None:
    """The channel of ``[plugin.notices.wechat]``; None without it."""
    if settings is None:
        return None
    provider = Provider(
        NAME,
        OfficialAccount(settings).send,
        Limit(settings["per_second"], settings["burst"], settings["per_day"]),
        timeout=3 * settings["timeout"],
        repeat_for=REPEAT_FOR,
    )
    kinds = frozenset({"account", "digest"})
    return Channel(NAME, "微信公众号", "WeChat official account", (provider,), reaches, kinds, forget=forget)


def reaches(unit: UnitOfWork, kind: str, ids: Sequence[int]) -> dict[int, str]:
    """The followers that accounts are bound to."""
    query = sa.select(WechatBinding.user_id, WechatBinding.openid).join(
        User, User.id == WechatBinding.user_id
    )
    query = query.where(WechatBinding.user_id.in_(ids), User.active.is_(True))
    return {user_id: openid for user_id, openid in unit.session.execute(query)} if kind == "account" else {}


def forget(unit: UnitOfWork, _kind: str, recipient_id: int, address: str) -> None:
    """Undo the binding: the follower is gone."""
    mine = (WechatBinding.user_id == recipient_id, WechatBinding.openid == address)
    unit.session.execute(sa.delete(WechatBinding).where(*mine))


class OfficialAccount:
    """One official account as its settings describe it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def send(self, site: Site, letters: Sequence[Letter]) -> Sequence[Result]:
        """Hand letters over one by one, as the interface wants it."""
        return [self._send(site, letter) for letter in letters]

    def _send(self, site: Site, letter: Letter) -> Result:
        refused = ""
        for _ in range(2):
            token = self._token(site, refused)
            if not isinstance(token, str):
                return token
            try:
                answer = self._post(
                    f"/cgi-bin/message/template/send?access_token={token}", self._body(letter)
                )
            except NotSent as e:
                return Later(str(e), whole=True)
            except NoAnswer as e:
                return Unknown(str(e))
            if answer.json().get("errcode") not in TOKEN_BAD:
                return self._judged(site, answer)
            refused = token
        return Later("WeChat takes neither the old token nor a new one", whole=True)

    def _token(self, site: Site, refused: str) -> str | Later:
        def fetch() -> tuple[str, float]:
            asked = {
                "grant_type": "client_credential",
                "appid": self.settings["app_id"],
                "secret": self.settings["app_secret"],
                "force_refresh": bool(refused),
            }
            said = self._post("/cgi-bin/stable_token", asked).json()
            if not said.get("access_token"):
                raise PermissionError(f"WeChat gives no token: {_code(said)}")
            return str(said["access_token"]), float(said.get("expires_in") or 7200)

        try:
            return tokens.token(site, NAME, fetch, refused)
        except tokens.Busy:
            return Later("another worker renews the token", 2.0)
        except (NotSent, NoAnswer, PermissionError, ValueError) as e:
            return Later(str(e), whole=True)

    def _post(self, path: str, data: Mapping[str, Any]) -> Answer:
        return post_json(Target(self.settings["url"].rstrip("/") + path, self.settings["timeout"]), data)

    def _body(self, letter: Letter) -> dict[str, Any]:
        said = {"title": letter.title, "text": letter.text, "region": letter.region, "link": letter.link}
        words = filled(self.settings["fields_"], said)
        return {
            "touser": letter.to,
            "template_id": self.settings["template"],
            "url": letter.link,
            "client_msg_id": letter.key,
            "data": {name: {"value": cut(text, WORD)} for name, text in words.items()},
        }

    def _judged(self, site: Site, answer: Answer) -> Result:
        said = answer.json()
        if not answer.ok or "errcode" not in said:
            found = judged("WeChat", answer)
            return Unknown("WeChat gave no errcode") if isinstance(found, Handed) else _whole(found)
        code = said["errcode"]
        if code == 0:
            return Handed(str(said.get("msgid") or ""))
        text = f"WeChat says {_code(said)}"
        if code in FOLLOWER_GONE:
            return Gone(f"{text}: the follower is gone")
        if code == QUOTA:
            return Later(f"{text}: the quota of the day is used up", _until_tomorrow(site), whole=True)
        if code in BUSY:
            return Later(text, 30.0, whole=True)
        return Later(text, whole=True) if code in ACCOUNT_WRONG else Refused(text)


def _whole(result: Result) -> Result:
    """A plain 4xx comes from something in between, and is about no single follower."""
    return Later(result.reason, whole=True) if isinstance(result, Gone | Refused) else result


def _code(said: Mapping[str, Any]) -> str:
    return str(said.get("errcode", "nothing"))[:20]


def _until_tomorrow(site: Site) -> float:
    """Seconds until the next local day, when quotas begin anew."""
    now = site.runtime.clock().astimezone(site.timezone)
    tomorrow = dt.datetime.combine(now.date() + dt.timedelta(days=1), dt.time(0, 1), site.timezone)
    return (tomorrow - now).total_seconds()
