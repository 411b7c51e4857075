"""What the core looks at in a text under review; plugins add theirs by ``keyun_review_checks``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keyun.content.types import Draft, ReviewCheck

if TYPE_CHECKING:
    from keyun.site import Site

REGION, LINKS = "地区 (Region)", "链接 (Links)"
#: Fields in which a type says where its facts come from, and who stands for them.
NAMED = (("source", "来源 (Source)"), ("voucher", "审定者 (Voucher)"))
#: Links of Markdown, and addresses that stand in the text as they are.
LINK = re.compile(r"\]\(\s*<?([^\s<>)]{1,2000})|(?<![(<\w])(https?://[^\s<>）)】」，。]{1,2000})")
SCHEMES = ("http", "https", "mailto")
MOST_LINKS = 100
SHOWN = 60


def core_checks(site: Site, draft: Draft) -> Iterator[ReviewCheck]:
    """Region, source, voucher and links; nothing is fetched."""
    if draft.region and draft.region in site.regions:
        yield ReviewCheck.passed(REGION, f"{site.regions.name(draft.region)}")
    else:
        yield ReviewCheck.warned(REGION, "没有写明地区。 (It names no region.)")
    kind = site.types.get(draft.type)
    fields = kind.schema().fields if kind is not None else {}
    for field, name in NAMED:
        if field in fields and not str(draft.values.get(field) or "").strip():
            yield ReviewCheck.failed(name, "没有写明。 (It is missing.)")
        elif field in fields:
            yield ReviewCheck.passed(name, str(draft.values[field])[:SHOWN])
    yield from _links(f"{draft.summary}\n{draft.body}")


def _links(text: str) -> Iterator[ReviewCheck]:
    found = [m[1] or m[2] for m in LINK.finditer(text)]
    wrong = [(address, why) for address in dict.fromkeys(found[:MOST_LINKS]) if (why := _wrong(address))]
    for address, why in wrong[:5]:
        yield ReviewCheck.failed(LINKS, f"{why}：{address[:SHOWN]}")
    if len(found) > MOST_LINKS:
        yield ReviewCheck.warned(LINKS, f"链接超过 {MOST_LINKS} 个。 (More than {MOST_LINKS} links.)")
    elif found and not wrong:
        yield ReviewCheck.passed(
            LINKS, f"{len(found)} 个链接格式正确，未逐一打开。 (Well formed; not opened.)"
        )


def _wrong(address: str) -> str:
    """What is wrong with a link; empty when nothing is."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return "链接写错了"
    if not parts.scheme and not parts.netloc:
        return "" if address.startswith(("/", "#")) else "链接缺少 https://"
    if parts.scheme.lower() not in SCHEMES:
        return "不允许的链接"
    if parts.scheme.lower() == "mailto":
        return "" if "@" in parts.path else "邮箱写错了"
    if parts.username is not None:
        return "链接里有用户名"
    return _wrong_host(host)


def _wrong_host(host: str) -> str:
    try:
        return "" if ipaddress.ip_address(host).is_global else "链接指向内部地址"
    except ValueError:
        pass
    if host == "localhost" or host.endswith((".local", ".internal", ".lan")):
        return "链接指向内部地址"
    return "" if "." in host else "链接写错了"
