"""What may not stand in an offer or a need: personal numbers stay off public pages."""

from __future__ import annotations

import re

from keyun.content import Draft, Verdict
from keyun_marketplace.models import NEED, OFFER

#: Mainland mobile numbers and 18-character identity numbers, also with blanks or dashes between the digits.
PHONE = re.compile(r"(?<!\d)1[3-9](?:[ \-]?\d){9}(?!\d)")
IDENTITY = re.compile(r"(?<!\d)\d{6}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)")
REASON = (
    "请不要在公开内容里写手机号或身份证号，对方同意后系统会交换联系方式。"
    " (Leave phone and identity numbers out; contacts are exchanged after a yes.)"
)


def screen(draft: Draft) -> Verdict | None:
    """Refuse a text of the marketplace that shows a phone or identity number."""
    if draft.type not in (OFFER, NEED):
        return None
    text = "\n".join((draft.title, draft.summary, draft.body, str(draft.values.get("outcome", ""))))
    return Verdict.refuse(REASON) if PHONE.search(text) or IDENTITY.search(text) else None
