"""What people send by SMS: subscribe to a region, or stop. Words in, words out; nothing is stored here."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAX_TEXT, MAX_TITLE = 200, 30
#: Whole texts that end everything; an operator of networks uses some of them as well.
STOP = frozenset({"退订", "取消订阅", "td", "t", "n", "qx", "stop", "unsubscribe"})
START = ("订阅", "dy", "join", "subscribe")
#: Whole texts that say: I have read it.
READ = frozenset({"收到", "已收到", "知道了", "已阅", "1", "ok", "sd"})
#: What stands between the keyword and the region.
BETWEEN = re.compile(r"^[\s:：,，;；+#]+|[\s。.!！]+$")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a text asks for: ``stop``, ``join`` with the words for a region, ``read``, or ``nothing``."""

    verb: str
    words: str = ""


def read(text: str) -> Wish:
    """Understand a text; whoever writes 退订 anywhere at its beginning wants no more."""
    plain = " ".join(unicodedata.normalize("NFKC", text[:MAX_TEXT]).split()).strip("。.!！ ").casefold()
    if plain in STOP or plain.startswith(("退订", "取消订阅")):
        return Wish("stop")
    if plain in READ:
        return Wish("read")
    for keyword in START:
        rest = plain.removeprefix(keyword)
        # An English word needs a space or a code after it: `dynamic` is no wish.
        if rest == plain or (keyword.isascii() and rest and rest[0].isascii() and rest[0].isalpha()):
            continue
        return Wish("join", BETWEEN.sub("", rest))
    return Wish("nothing")


def joined(site: str, name: str) -> str:
    """The answer to a clear wish."""
    return f"【{site}】已订阅{name}的科普与应急通知。回复“退订”随时停止，不收费。"


def thanked(site: str, title: str) -> str:
    """The answer to whoever has read something."""
    return f"【{site}】已记录您收到“{title[:MAX_TITLE]}”，谢谢。"


def stopped(site: str) -> str:
    """The answer to a stop, whether or not there was a subscription: it tells nothing to a stranger."""
    return f"【{site}】已退订，号码已删除，不会再收到通知。"


def which(site: str, names: list[str]) -> str:
    """Ask for the region: among ``names``, or at all when there are none."""
    if names:
        return f"【{site}】您指的是哪里？请回复“DY 地区”，如“DY {names[0]}”：{'、'.join(names)}。"
    return f"【{site}】没有认出地区。请回复“DY”加县区名或六位代码，如“DY 511402”或“DY 丹棱县”。"
