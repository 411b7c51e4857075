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
SAID, MISSING = "已写明。 (It is named.)", "没有写明。 (It is missing.)"
MALFORMED, INNER = "链接写错了。 (It is malformed.)", "指向内部网络。 (It leads into an inner network.)"


def core_checks(site: Site, draft: Draft) -> Iterator[ReviewCheck]:
    """Region, source, voucher and links; nothing is fetched."""
    if draft.region and draft.region in site.regions:
        yield ReviewCheck.passed(REGION, SAID, site.regions.name(draft.region))
    else:
        yield ReviewCheck.warned(REGION, MISSING)
    kind = site.types.get(draft.type)
    fields = kind.schema().fields if kind is not None else {}
    for field, name in NAMED:
        if field in fields:
            value = str(draft.values.get(field) or "").strip()
            yield (
                ReviewCheck.passed(name, SAID, value[:SHOWN]) if value else ReviewCheck.failed(name, MISSING)
            )
    yield from _links(f"{draft.summary}\n{draft.body}")


def _links(text: str) -> Iterator[ReviewCheck]:
    found = [m[1] or m[2] for m in LINK.finditer(text)]
    wrong = [(address, why) for address in dict.fromkeys(found[:MOST_LINKS]) if (why := _wrong(address))]
    for address, why in wrong[:5]:
        yield ReviewCheck.failed(LINKS, why, address[:SHOWN])
    if len(found) > MOST_LINKS:
        yield ReviewCheck.warned(LINKS, f"链接超过 {MOST_LINKS} 个。 (More than {MOST_LINKS} links.)")
    elif found and not wrong:
        yield ReviewCheck.passed(
            LINKS, "写法正确，没有逐一打开。 (Well formed; not opened.)", str(len(found))
        )


def _wrong(address: str) -> str:
    """What is wrong with a link; empty when nothing is."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return MALFORMED
    if not parts.scheme and not parts.netloc:
        return "" if address.startswith(("/", "#")) else "缺少 https://。 (It lacks https://.)"
    if parts.scheme.lower() not in SCHEMES:
        return "不允许这种链接。 (Links of this kind are not allowed.)"
    if parts.scheme.lower() == "mailto":
        return "" if "@" in parts.path else MALFORMED
    if parts.username is not None:
        return "链接里藏着用户名。 (It hides a user name.)"
    return _wrong_host(host)


def _wrong_host(host: str) -> str:
    try:
        return "" if ipaddress.ip_address(host).is_global else INNER
    except ValueError:
        pass
    if host == "localhost" or host.endswith((".local", ".internal", ".lan")):
        return INNER
    return "" if "." in host else MALFORMED
