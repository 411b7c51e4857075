"""Phone numbers: one way to write them, a mask for people, a keyed hash for comparing."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from typing import TYPE_CHECKING

from keyun.errors import Invalid

if TYPE_CHECKING:
    from keyun.site import Site

#: What people put between digits.
BETWEEN = re.compile(r"[\s\-‐–—.()]+")
MOBILE = re.compile(r"1[3-9]\d{9}")
#: ITU-T E.164: a country code that does not begin with 0, at most 15 digits.
E164 = re.compile(r"\+[1-9]\d{6,14}")
CHINA = "+86"
MAX_TYPED = 40
WRONG = "手机号不对，如 138 0000 0000 或 +852 9000 0000。 (Not a mobile number.)"


def normalised(typed: str) -> str:
    """``typed`` in the form of E.164; a number without a country code is a mobile of the mainland.

    :raises Invalid: when it is neither a mobile of the mainland nor an international number.
    """
    text = BETWEEN.sub("", unicodedata.normalize("NFKC", typed[:MAX_TYPED]))
    if text.startswith("00"):
        text = "+" + text[2:]
    if MOBILE.fullmatch(text.removeprefix("86")) and not text.startswith("+"):
        return CHINA + text.removeprefix("86")
    good = E164.fullmatch(text) and text.isascii()
    if not good or (text.startswith(CHINA) and not MOBILE.fullmatch(text.removeprefix(CHINA))):
        raise Invalid(WRONG, {"phone": [WRONG]})
    return text


def masked(phone: str | None) -> str:
    """``phone`` as pages and reports show it, such as 138****0000; a dash when there is none."""
    if not phone:
        return "—"
    if phone.startswith(CHINA):
        own = phone.removeprefix(CHINA)
        return f"{own[:3]}****{own[-4:]}"
    return f"{phone[:4]}****{phone[-2:]}"


def national(phone: str) -> str:
    """``phone`` as it is dialled inside the country: without +86."""
    return phone.removeprefix(CHINA)


def digest(site: Site, text: str) -> str:
    """What compares ``text`` without showing it: HMAC-SHA256 under a key derived from that of the site."""

    def key() -> bytes:
        secret = site.runtime.config.secret_file.read_bytes()
        return hmac.digest(secret, b"notices.contacts", "sha256")

    return hmac.new(
        site.runtime.derived("notices.contacts.key", key), text.encode(), hashlib.sha256
    ).hexdigest()
