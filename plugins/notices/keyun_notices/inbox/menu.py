"""The entry of the inbox in the main menu."""

from __future__ import annotations

from collections.abc import Iterable

from flask_babel import gettext as _

from keyun.access import Actor
from keyun.plugins import MenuItem
from keyun.web.context import reading
from keyun_notices.inbox.services import MOST_UNREAD, unread


def menu(actor: Actor) -> Iterable[MenuItem]:
    """通知, with the number of those not opened."""
    if not actor.is_user:
        return
    count = unread(actor, reading())
    shown = f"{MOST_UNREAD}+" if count > MOST_UNREAD else str(count)
    yield MenuItem("notices.inbox", _("通知（%(count)s）", count=shown) if count else _("通知"), 70)
