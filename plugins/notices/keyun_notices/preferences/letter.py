"""A digest in words, as a channel gets it: plain text, Chinese first, because no language is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa

from keyun.accounts import User
from keyun.uow import UnitOfWork
from keyun_notices.preferences.models import DAILY, Digest
from keyun_notices.preferences.optout import ACCOUNT, optout_headers, optout_token, optout_url
from keyun_notices.preferences.topics import topic
from keyun_notices.preferences.waiting import contents
from keyun_notices.publishing.models import Notice


@dataclass(frozen=True, slots=True)
class DigestLetter:
    """What one digest says by one channel, and how to refuse that channel.

    ``link`` leads to the inbox and ``optout`` to the page of the refusal; both are whole addresses, or
    empty when the address of the site is not configured. ``token`` is the one in ``optout``.
    """

    title: str
    text: str
    link: str
    optout: str
    token: str
    headers: dict[str, str]


def digest_letter(unit: UnitOfWork, digest_id: int, channel: str) -> DigestLetter | None:
    """The letter of a digest by ``channel``; None when nothing of it holds any more.

    Open to the outbox, which asks right before it sends.
    """
    found = contents(unit, digest_id, channel)
    query = sa.select(Digest.kind, User.public_id).join(User).where(Digest.id == digest_id)
    about = unit.session.execute(query).first()
    if not found or about is None:
        return None
    site = unit.site
    root = str(site.runtime.config.site["url"])
    token = optout_token(site, ACCOUNT, about.public_id, channel=channel)
    each, each_en = ("每日", "daily") if about.kind == DAILY else ("每周", "weekly")
    return DigestLetter(
        title=f"{each}通知摘要：{len(found)} 条 ({each_en} digest: {len(found)})",
        text=_text(unit, found, root),
        link=f"{root}/notices/" if root else "",
        optout=optout_url(site, token),
        token=token,
        headers=optout_headers(site, token),
    )


def _text(unit: UnitOfWork, found: Sequence[Notice], root: str) -> str:
    lines: list[str] = []
    for name, group in groupby(found, key=lambda n: n.topic):
        lines += ["", f"【{topic(unit.site, name).title}】"]
        for notice in group:
            over = "已解除：" if notice.kind == "cancel" else ""
            lines.append(f"· {over}{notice.title}")
            if root:
                lines.append(f"  {root}/notices/inbox/{notice.public_id}")
    return "\n".join(lines).strip() + "\n"
