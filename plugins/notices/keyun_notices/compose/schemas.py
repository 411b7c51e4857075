"""What is typed on the page of the message, checked field by field."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import fields, validate

from keyun.errors import Invalid
from keyun.forms import Form, Text, load

#: The same bounds as the columns of a notice.
MOST_TITLE, MOST_BODY, MOST_LINK = 120, 20_000, 500
LINK = re.compile(r"https?://[^\s\"<>\\]{3,490}")
LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
NO_TOPIC = "请选择主题。 (Choose a topic.)"
NOT_SURE = (
    "请勾选确认：只有危及生命安全的紧急情况才可以使用这一类别。"
    " (Tick the confirmation: this class is for threats to life only.)"
)
MOMENT = "请填写日期和时间，如 2027-03-31 09:00。 (Give a date and a time.)"
ADDRESS = "请填写以 https:// 开头的网址。 (Give an address that begins with https://.)"
ORDER = "失效时间须晚于发出时间。 (It must end after it begins.)"
PAST = "这个时间已经过去。 (This moment has passed.)"


class MessageForm(Form):
    """A message as it is typed; the moments are read later, in the zone of the site."""

    topic = fields.String(
        required=True,
        validate=validate.Length(1, 60),
        error_messages={"required": NO_TOPIC, "null": NO_TOPIC},
        metadata={"label": "主题"},
    )
    title = Text("标题", MOST_TITLE, least=2)
    body = Text("正文", MOST_BODY, least=1)
    link = Text("链接", MOST_LINK)
    organization = Text("单位", 36)
    starts_at = Text("何时发出", 16)
    expires_at = Text("何时失效", 16)
    contacts = fields.Boolean(load_default=False)
    relays = fields.Boolean(load_default=False)
    life = fields.Boolean(load_default=False)
    life_sure = fields.Boolean(load_default=False)


@dataclass(frozen=True, slots=True)
class Message:
    """What was typed, understood."""

    topic: str
    title: str
    body: str
    link: str | None
    starts_at: dt.datetime | None
    expires_at: dt.datetime | None
    contacts: bool
    relays: bool
    life: bool
    organization: str | None = None


def message(typed: Mapping[str, str], topics: Collection[str], zone: ZoneInfo, now: dt.datetime) -> Message:
    """Read what was typed; ``zone`` is that of the site, in which people mean their moments.

    :raises Invalid: with what is wrong by field, everything at once.
    """
    wrong: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    try:
        values = load(MessageForm(), typed)
    except Invalid as e:
        wrong |= e.fields
    if "topic" not in wrong and values and values["topic"] not in topics:
        wrong["topic"] = [NO_TOPIC]
    link = typed.get("link", "").strip()
    if link and not LINK.fullmatch(link):
        wrong["link"] = [ADDRESS]
    starts, expires = (_moment(typed, name, zone, wrong) for name in ("starts_at", "expires_at"))
    if starts and starts < now - dt.timedelta(minutes=5):
        wrong.setdefault("starts_at", []).append(PAST)
    if expires and expires <= now:
        wrong.setdefault("expires_at", []).append(PAST)
    elif expires and starts and expires <= starts:
        wrong.setdefault("expires_at", []).append(ORDER)
    if typed.get("life") and not typed.get("life_sure"):
        wrong["life"] = [NOT_SURE]
    if wrong:
        raise Invalid(
            "请改正标出的内容，其余都已保留。 (Correct what is marked; nothing else is lost.)", wrong
        )
    return Message(
        values["topic"], values["title"], values["body"], link or None, starts, expires,
        values["contacts"], values["relays"], values["life"], values["organization"] or None,
    )  # fmt: skip


def _moment(
    typed: Mapping[str, str], name: str, zone: ZoneInfo, wrong: dict[str, list[str]]
) -> dt.datetime | None:
    text = typed.get(name, "").strip()
    if not text:
        return None
    try:
        if not LOCAL.fullmatch(text):
            raise ValueError(text)
        moment = dt.datetime.fromisoformat(text).replace(tzinfo=zone)
        if not 1970 < moment.year < 9000:
            raise ValueError(text)
    except ValueError:
        wrong[name] = [MOMENT]
        return None
    return moment.astimezone(dt.UTC)


def local(moment: dt.datetime | None, zone: ZoneInfo) -> str:
    """A moment as ``datetime-local`` shows it; empty for none."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M") if moment else ""
