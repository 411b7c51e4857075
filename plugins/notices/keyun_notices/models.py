"""Every table of the plugin, so that all are mapped with the module of the entry point."""

from __future__ import annotations

from keyun_notices.contacts.models import (
    AddressedContact,
    Allowance,
    Consent,
    Contact,
    ContactAudience,
    ContactReceipt,
    Joining,
)
from keyun_notices.eligibility.models import Call
from keyun_notices.inbox.models import Receipt
from keyun_notices.outbox.models import (
    AccessToken,
    Bucket,
    DeadEndpoint,
    EarlyReceipt,
    Fanout,
    OutboxCount,
    OutboxRow,
    PushSubscription,
    WechatBinding,
    WechatCode,
)
from keyun_notices.people.models import Interest, Profile
from keyun_notices.preferences.models import (
    ChosenChannel,
    Digest,
    DigestItem,
    DigestRun,
    Preference,
    SentCount,
    TopicChoice,
)
from keyun_notices.publishing.models import Addressed, Attachment, Notice, NoticeRegion, Reference
from keyun_notices.reach.models import Population
from keyun_notices.relays.models import AddressedRelay, Passed, Relay, Statement

__all__ = [
    "AccessToken",
    "Addressed",
    "AddressedContact",
    "AddressedRelay",
    "Allowance",
    "Attachment",
    "Bucket",
    "Call",
    "ChosenChannel",
    "Consent",
    "Contact",
    "ContactAudience",
    "ContactReceipt",
    "DeadEndpoint",
    "Digest",
    "DigestItem",
    "DigestRun",
    "EarlyReceipt",
    "Fanout",
    "Interest",
    "Joining",
    "Notice",
    "NoticeRegion",
    "OutboxCount",
    "OutboxRow",
    "Passed",
    "Population",
    "Preference",
    "Profile",
    "PushSubscription",
    "Receipt",
    "Reference",
    "Relay",
    "SentCount",
    "Statement",
    "TopicChoice",
    "WechatBinding",
    "WechatCode",
]
