"""What staff find in the main menu."""

from __future__ import annotations

from collections.abc import Iterator

from flask_babel import lazy_gettext as _

from keyun.access import Actor
from keyun.plugins import MenuItem
from keyun.site import Site
from keyun_notices.publishing.services import READ


def menu(site: Site, actor: Actor) -> Iterator[MenuItem]:
    """One entry for whoever sends notices: what was sent, and from there the rest."""
    if actor.is_user and site.access.allows(actor, READ):
        yield MenuItem("notices-compose.sent", _("通知管理"), 84)
