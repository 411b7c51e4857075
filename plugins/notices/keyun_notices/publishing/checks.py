"""What a draft must be before anything is written."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import Organization
from keyun.content import MAX_BODY, MAX_TITLE
from keyun.errors import Forbidden, Invalid
from keyun.uow import UnitOfWork
from keyun_notices.preferences.topics import topics
from keyun_notices.publishing.draft import MOST_ATTACHMENTS, MOST_REFERENCES, MOST_REGIONS, Draft
from keyun_notices.publishing.files import missing
from keyun_notices.publishing.models import KINDS, Notice
from keyun_notices.publishing.places import known, outermost

SEND, LIFE, CANCEL = "notices.notice.send", "notices.notice.life", "notices.notice.cancel"
#: Printable ASCII without blanks: keys stand in addresses, logs and files.
KEY = re.compile(r"[!-~]{1,160}")
LINK = re.compile(r"https?://[^\s\x00-\x1f\x7f]{1,490}")
#: Nobody plans further, and no database or calendar trips over it.
LATEST = dt.timedelta(days=3660)
Complaint = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """A region as the subject of a permission."""

    region: str | None
    owner_id: int | None = None
    organization_id: int | None = None


def check(actor: Actor, unit: UnitOfWork, draft: Draft) -> None:
    """Stop unless everything about ``draft`` but its audience is right and allowed.

    :raises Invalid: naming every field that is wrong.
    :raises Forbidden: when a region, an organization or the class of life threats is not the actor's.
    """
    fields: dict[str, list[str]] = {}
    for field, message in _complaints(unit, draft):
        fields.setdefault(field, []).append(message)
    if fields:
        raise Invalid(" ".join(m for found in fields.values() for m in found), fields)
    known(unit.site.regions, draft.regions, unit.today)
    _allowed(actor, unit, draft)


def _complaints(unit: UnitOfWork, draft: Draft) -> Iterator[Complaint]:
    yield from _texts(draft)
    yield from _bonds(draft)
    yield from _moments(unit, draft)
    yield from _topic(unit, draft)
    yield from _files(unit, draft)


def check_references(actor: Actor, unit: UnitOfWork, draft: Draft) -> None:
    """Stop when ``draft`` updates or cancels a notice that is not the actor's to change.

    :raises Forbidden: for one that is here; what has not arrived is looked at when it does.
    """
    query = sa.select(Notice).where(Notice.ikey.in_(draft.refers_to)).order_by(Notice.id)
    for notice in unit.session.scalars(query):
        unit.require(actor, CANCEL, notice)


def _allowed(actor: Actor, unit: UnitOfWork, draft: Draft) -> None:
    for code in outermost(draft.regions):
        unit.require(actor, SEND, Place(code))
        if draft.life:
            unit.require(actor, LIFE, Place(code))
    if draft.organization is not None and not actor.is_system:
        query = sa.select(Organization.id).where(Organization.public_id == draft.organization)
        if unit.session.scalar(query) not in actor.organizations:
            raise Forbidden(
                "您不是这个单位的成员，不能以它的名义发布。"
                " (You do not act for this organization and cannot publish in its name.)"
            )


def _texts(draft: Draft) -> Iterator[Complaint]:
    if not KEY.fullmatch(draft.ikey):
        yield (
            "key",
            "编号为 1 至 160 个可见的英文字符，不含空格。 (A key has 1 to 160 visible ASCII characters.)",
        )
    if draft.kind not in KINDS:
        yield "kind", f"类型只能是 {'、'.join(KINDS)}。 (The kind is one of {', '.join(KINDS)}.)"
    if draft.kind != "cancel" and not draft.title.strip():
        yield "title", "请填写标题。 (A title is needed.)"
    if len(draft.title) > MAX_TITLE:
        yield "title", f"标题最多 {MAX_TITLE} 个字。 (A title has at most {MAX_TITLE} characters.)"
    if len(draft.body) > MAX_BODY:
        yield "body", f"正文最多 {MAX_BODY} 个字。 (A text has at most {MAX_BODY} characters.)"
    for field, text in (("title", draft.title), ("body", draft.body)):
        if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
            yield field, "含有不能存储的字符。 (It has characters that cannot be stored.)"
    if draft.link and not LINK.fullmatch(draft.link):
        yield "link", "链接须以 http:// 或 https:// 开头。 (A link begins with http:// or https://.)"
    if len(draft.attachments) > MOST_ATTACHMENTS:
        yield "attachments", f"最多 {MOST_ATTACHMENTS} 个附件。 (At most {MOST_ATTACHMENTS} files.)"


def _files(unit: UnitOfWork, draft: Draft) -> Iterator[Complaint]:
    for name in missing(unit.site, draft.attachments):
        yield "attachments", f"附件 {name} 已不在，请重新添加。 (The file {name} is gone; attach it again.)"


def _moments(unit: UnitOfWork, draft: Draft) -> Iterator[Complaint]:
    for field, moment in (("starts_at", draft.starts_at), ("expires_at", draft.expires_at)):
        if moment is not None and (moment.tzinfo is None or abs(moment - unit.now) > LATEST):
            yield (
                field,
                "时刻须带时区，且在前后十年之内。 (A moment has an offset and lies within ten years.)",
            )
            return
    if draft.starts_at is not None and draft.expires_at is not None and draft.expires_at <= draft.starts_at:
        yield "expires_at", "截止须晚于开始。 (It must end after it starts.)"


def _bonds(draft: Draft) -> Iterator[Complaint]:
    """What the kind of a message asks of its regions and references."""
    if draft.kind != "cancel" and not draft.regions:
        yield "regions", "请至少选一个地区。 (Choose one region at least.)"
    if len(draft.regions) > MOST_REGIONS:
        yield "regions", f"最多 {MOST_REGIONS} 个地区。 (At most {MOST_REGIONS} regions.)"
    if draft.kind == "notice" and draft.refers_to:
        yield "refers_to", "只有更新和解除才指向别的通知。 (Only updates and cancellations refer to others.)"
    if draft.kind != "notice" and not draft.refers_to:
        yield "refers_to", "请写明更新或解除哪条通知。 (Say which notice it updates or cancels.)"
    if len(draft.refers_to) > MOST_REFERENCES:
        yield "refers_to", f"最多指向 {MOST_REFERENCES} 条。 (At most {MOST_REFERENCES} references.)"
    if any(not KEY.fullmatch(k) for k in draft.refers_to) or draft.ikey in draft.refers_to:
        yield "refers_to", "所指的编号有误。 (A key that it refers to is wrong.)"


def _topic(unit: UnitOfWork, draft: Draft) -> Iterator[Complaint]:
    if draft.kind != "cancel" and draft.topic not in (names := topics(unit.site)):
        yield (
            "topic",
            f"没有这个主题；可用的有 {'、'.join(names)}。 (Unknown topic; there are {', '.join(names)}.)",
        )
