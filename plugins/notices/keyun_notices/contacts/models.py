"""Tables of contacts: who asked to be told by phone, that he did, and who was told what.

The number stands readable in one column, because it must be dialled; a key in the same instance would
protect nothing that reads the table. It goes with the first word of withdrawal. What tells people
apart is a keyed hash, so that a number who said no is recognised without being kept.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.accounts import User
from keyun.db import Model, public_id
from keyun_notices.publishing.models import Notice

ACTIVE, WITHDRAWN = "active", "withdrawn"
#: How somebody agreed or withdrew: by SMS, on the page, before staff, in a file, by a signed link.
SMS, PAGE, STAFF, FILE, LINK = "sms", "page", "staff", "file", "link"


class Contact(Model):
    """A person without an account: a phone, a region, and nothing else. Numbers of rows are never reused."""

    __tablename__ = "notices_contact"
    __table_args__ = (
        sa.Index("ix_notices_contact_region_id", "region", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    #: E.164 such as +8613800000000; empty once consent is withdrawn.
    phone: Mapped[str | None] = mapped_column(sa.String(20), info={"personal": "phone", "hook": True})
    #: HMAC-SHA256 of the number under the key of the site.
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True, info={"secret": True})
    region: Mapped[str] = mapped_column(sa.String(6))
    state: Mapped[str] = mapped_column(sa.String(10), default=ACTIVE)
    consented_at: Mapped[dt.datetime]
    withdrawn_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]

    @property
    def owner_id(self) -> int | None:
        """A contact has no account."""
        return None

    @property
    def organization_id(self) -> int | None:
        """A contact belongs to no organization."""
        return None


class Consent(Model):
    """That a contact agreed (``given``) or withdrew, when, how, and who wrote it down."""

    __tablename__ = "notices_consent"

    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(sa.ForeignKey(Contact.id, ondelete="CASCADE"), index=True)
    given: Mapped[bool]
    way: Mapped[str] = mapped_column(sa.String(10))
    region: Mapped[str] = mapped_column(sa.String(6))
    at: Mapped[dt.datetime]
    recorded_by: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    #: Secret, because the export of the member of staff who wrote it must not hand it out.
    evidence: Mapped[str] = mapped_column(sa.String(500), default="", info={"secret": True})


class Joining(Model):
    """Somebody typed a number on the page and has not yet shown that it is his; gone after a day."""

    __tablename__ = "notices_joining"

    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True, info={"secret": True})
    #: What the page that asks for the code carries instead of the number.
    ticket: Mapped[str] = mapped_column(sa.String(22), unique=True, info={"secret": True})
    phone: Mapped[str] = mapped_column(sa.String(20), info={"personal": "phone", "hook": True})
    region: Mapped[str] = mapped_column(sa.String(6))
    code: Mapped[str] = mapped_column(sa.String(64), info={"secret": True})
    tries: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)


class Allowance(Model):
    """How often something was done since a moment; what is counted stands there as a keyed hash."""

    __tablename__ = "notices_allowance"

    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    since: Mapped[dt.datetime] = mapped_column(index=True)
    used: Mapped[int]


class AddressedContact(Model):
    """Which of 4,096 contacts a notice was addressed to: one bit each, the lowest first."""

    __tablename__ = "notices_addressed_contact"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    notice_id: Mapped[int] = mapped_column(
        sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True, index=True
    )
    bits: Mapped[bytes] = mapped_column(sa.LargeBinary(512))


class ContactAudience(Model):
    """How many contacts a notice was addressed to, and how many of them were forgotten since."""

    __tablename__ = "notices_contact_audience"

    notice_id: Mapped[int] = mapped_column(sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True)
    addressed: Mapped[int]
    erased: Mapped[int] = mapped_column(default=0)


class ContactReceipt(Model):
    """A contact answered that he has read a notice; the first moment stays."""

    __tablename__ = "notices_contact_receipt"

    notice_id: Mapped[int] = mapped_column(sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(
        sa.ForeignKey(Contact.id, ondelete="CASCADE"), primary_key=True, index=True
    )
    confirmed_at: Mapped[dt.datetime]
