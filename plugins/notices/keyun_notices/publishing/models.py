"""Tables of notices: what was said, where it applies, what it refers to, and who was addressed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.accounts import Organization, User
from keyun.db import Model, public_id

KINDS = ("notice", "update", "cancel")
#: ``scheduled`` waits for its moment; the last two never come back.
STATES = ("scheduled", "published", "superseded", "cancelled")
#: How many user ids one row of :class:`Addressed` covers.
CHUNK = 4096


class Notice(Model):
    """One message: a notice, an update of others, or the cancellation of a thread.

    ``ikey`` is the idempotency key, ``body_hash`` the SHA-256 of what the sender gave with it.
    ``published_at`` is empty while it is scheduled, and for good when it was hidden before anybody saw it.
    ``addressed`` counts the frozen audience at that moment, ``erased`` those of them who left since and
    whose bits are cleared. ``digest`` seals the frozen set; ``salt`` keeps pseudonyms of two notices apart.
    """

    __tablename__ = "notices_notice"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('notice', 'update', 'cancel')", name="kind"),
        sa.CheckConstraint("state IN ('scheduled', 'published', 'superseded', 'cancelled')", name="state"),
        sa.CheckConstraint("erased >= 0 AND erased <= addressed", name="erased"),
        sa.Index("ix_notices_notice_state_published_at_id", "state", "published_at", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    ikey: Mapped[str] = mapped_column(sa.String(160), unique=True)
    body_hash: Mapped[str] = mapped_column(sa.String(64))
    topic: Mapped[str] = mapped_column(sa.String(60))
    kind: Mapped[str] = mapped_column(sa.String(8), default="notice")
    life: Mapped[bool] = mapped_column(default=False)
    title: Mapped[str] = mapped_column(sa.String(120))
    #: The sender gave the title; that of a cancellation is otherwise the title of what it ends.
    own_title: Mapped[bool] = mapped_column(default=True)
    body: Mapped[str] = mapped_column(sa.Text, default="")
    link: Mapped[str | None] = mapped_column(sa.String(500))
    sender_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    #: Sent by the operator or a job, not by an account.
    by_system: Mapped[bool] = mapped_column(default=False)
    organization_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey(Organization.id, ondelete="SET NULL"), index=True
    )
    region: Mapped[str | None] = mapped_column(sa.String(6), index=True)
    audience: Mapped[dict[str, Any]]
    definition: Mapped[int] = mapped_column(default=0)
    contacts: Mapped[bool] = mapped_column(default=False)
    relays: Mapped[bool] = mapped_column(default=False)
    starts_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime | None]
    state: Mapped[str] = mapped_column(sa.String(12))
    thread: Mapped[int | None] = mapped_column(index=True)
    addressed: Mapped[int] = mapped_column(default=0)
    erased: Mapped[int] = mapped_column(default=0)
    digest: Mapped[str] = mapped_column(sa.String(64), default="")
    salt: Mapped[str] = mapped_column(sa.String(64), info={"secret": True})
    published_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]
    version: Mapped[int] = mapped_column(default=1)

    @property
    def owner_id(self) -> int | None:
        """A notice belongs to its sender."""
        return self.sender_id


class NoticeRegion(Model):
    """Where a notice applies: the codes as ``given``, and what retired ones among them mean today.

    A code stands for everything below it, so a reader looks for the codes at and above his own
    (:func:`keyun_notices.publishing.places.chain`).
    """

    __tablename__ = "notices_region"

    region: Mapped[str] = mapped_column(sa.String(6), primary_key=True)
    notice_id: Mapped[int] = mapped_column(
        sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True, index=True
    )
    given: Mapped[bool] = mapped_column(default=True)


class Reference(Model):
    """A notice updates or cancels another, named by its key; that one may arrive later."""

    __tablename__ = "notices_reference"

    notice_id: Mapped[int] = mapped_column(sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True)
    refers_to: Mapped[str] = mapped_column(sa.String(160), primary_key=True, index=True)


class Addressed(Model):
    """The frozen audience: bit ``user_id & 4095`` of the row ``user_id >> 12``, least significant first.

    The rows of one notice lie side by side, so that publishing writes a few full pages: with the chunk first,
    each row would fall on another page.
    """

    __tablename__ = "notices_addressed"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    notice_id: Mapped[int] = mapped_column(sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bits: Mapped[bytes] = mapped_column(sa.LargeBinary(512))


class Attachment(Model):
    """A file of a notice; its content lies below ``notices/attachments`` of the instance, by digest."""

    __tablename__ = "notices_attachment"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    notice_id: Mapped[int] = mapped_column(sa.ForeignKey(Notice.id, ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(sa.String(120), info={"impersonal": "the name of a file"})
    content_type: Mapped[str] = mapped_column(sa.String(60))
    size: Mapped[int]
    digest: Mapped[str] = mapped_column(sa.String(64), index=True)
