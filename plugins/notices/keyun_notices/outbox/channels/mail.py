"""E-mail by the server of ``[mail]``, or by whatever plugin takes the channel ``mail`` of the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun import messages
from keyun.accounts import User
from keyun.messages import MAIL, Message, TryLater, Uncertain, Undeliverable, hand_over
from keyun.site import Site
from keyun.uow import UnitOfWork
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

NAME = "mail"
BURST = 10


def channel(site: Site, settings: Mapping[str, Any]) -> Channel | None:
    """The channel; None when nobody takes mail here."""
    if not messages.can_send(site, MAIL):
        return None
    limit = Limit(settings["mail_per_second"], BURST, settings["mail_per_day"])
    patience = float(site.runtime.config.mail["timeout_seconds"])
    provider = Provider(NAME, send, limit, timeout=6 * patience)
    kinds = frozenset({"account", "digest"})
    return Channel(NAME, "邮件", "E-mail", (provider,), reaches, kinds)


def reaches(unit: UnitOfWork, kind: str, ids: Sequence[int]) -> dict[int, str]:
    """Addresses of accounts that want mail."""
    good = (User.active.is_(True), User.mail_wanted.is_(True), User.email.is_not(None))
    query = sa.select(User.id, User.email).where(User.id.in_(ids), *good)
    return {number: mail for number, mail in unit.session.execute(query) if mail}


def send(site: Site, letters: Sequence[Letter]) -> Sequence[Result]:
    """Hand letters over one by one."""
    return [_send(site, letter) for letter in letters]


def _send(site: Site, letter: Letter) -> Result:
    text = "\n\n".join(p for p in (letter.text, letter.link, _refusal(letter)) if p) + "\n"
    reason = f"notices.{letter.topic}"
    message = Message(letter.key, MAIL, letter.to, letter.title, text, reason, unsubscribe=letter.one_click)
    try:
        hand_over(site, message)
    except messages.Gone as e:
        return Gone(str(e))
    except Undeliverable as e:
        return Refused(str(e))
    except Uncertain as e:
        return Unknown(str(e))
    except TryLater as e:
        return Later(str(e), whole=True)
    return Handed()


def _refusal(letter: Letter) -> str:
    return f"不想再收到：{letter.optout} (no more of these)" if letter.optout else ""
