"""What a sender gives: plain values, before anything is stored."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MOST_ATTACHMENTS", "MOST_REFERENCES", "MOST_REGIONS", "Draft", "Kept"]

#: More regions than a country has counties, and more references than a thread of a year.
MOST_REGIONS, MOST_REFERENCES, MOST_ATTACHMENTS = 3500, 50, 10
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that lies in the instance already (:func:`keyun_notices.publishing.files.keep`)."""

    name: str
    content_type: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to publish.

    ``ikey`` is the idempotency key: the same key with the same content is the notice that is there.
    ``kind`` is ``notice``, ``update`` or ``cancel``; the last two name in ``refers_to`` the keys of what they
    speak of, which may arrive later. ``audience`` is an expression within ``regions``. ``organization`` is
    the public id of the organization the sender speaks for. A cancellation needs no regions, and without
    ``title`` it has that of what it cancels.
    """

    ikey: str
    title: str = ""
    body: str = ""
    topic: str = "general"
    kind: str = "notice"
    life: bool = False
    link: str | None = None
    regions: tuple[str, ...] = ()
    audience: Mapping[str, Any] = field(default_factory=lambda: {"all": []})
    starts_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    refers_to: tuple[str, ...] = ()
    organization: str | None = None
    contacts: bool = False
    relays: bool = False
    attachments: tuple[Kept, ...] = ()

    def body_hash(self) -> str:
        """SHA-256 over everything but the key, in one spelling: the order of lists does not count."""
        said = {
            "title": self.title,
            "body": self.body,
            "topic": self.topic,
            "kind": self.kind,
            "life": self.life,
            "link": self.link or None,
            "regions": sorted(set(self.regions)),
            "audience": self.audience,
            "starts_at": _moment(self.starts_at),
            "expires_at": _moment(self.expires_at),
            "refers_to": sorted(set(self.refers_to)),
            "organization": self.organization,
            "contacts": self.contacts,
            "relays": self.relays,
            "attachments": sorted([f.name, f.digest] for f in self.attachments),
        }
        text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _moment(moment: dt.datetime | None) -> int | None:
    return (moment - EPOCH) // dt.timedelta(microseconds=1) if moment else None
