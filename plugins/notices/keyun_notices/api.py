"""The API of the plugin: one blueprint, to which each feature adds its operations."""

from __future__ import annotations

from keyun.api import ApiBlueprint
from keyun_notices.contacts import api as contacts
from keyun_notices.eligibility import api as eligibility
from keyun_notices.inbox import api as inbox
from keyun_notices.outbox import api as outbox
from keyun_notices.people import api as people
from keyun_notices.preferences import api as preferences
from keyun_notices.publishing import api as publishing
from keyun_notices.reach import api as reach
from keyun_notices.relays import api as relays


def blueprint(name: str) -> ApiBlueprint:
    """``/api/v1/notices``."""
    api = ApiBlueprint(name, __name__, description="精准推送 / Precise push")
    for part in (people, eligibility, publishing, inbox, contacts, relays, reach, preferences, outbox):
        part.add(api)
    return api
