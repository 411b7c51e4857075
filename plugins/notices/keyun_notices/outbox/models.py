"""Tables of the outbox: what goes out by which channel, how fast a provider may be asked, who is bound."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.accounts import User
from keyun.db import Model

#: States of a row. ``sending`` is claimed by a worker; ``uncertain`` may have arrived, and nobody can tell.
QUEUED, HELD, SENDING, UNCERTAIN = "queued", "held", "sending", "uncertain"
HANDED, DELIVERED, BOUNCED, FAILED, DROPPED = "handed-over", "delivered", "bounced", "failed", "dropped"
STATES = (QUEUED, HELD, SENDING, UNCERTAIN, HANDED, DELIVERED, BOUNCED, FAILED, DROPPED)
#: What may still be sent.
WAITING = (QUEUED, HELD)
#: What nobody touches any more, except for a late receipt.
FINISHED = (UNCERTAIN, HANDED, DELIVERED, BOUNCED, FAILED, DROPPED)
KINDS = ("account", "contact", "relay", "digest")

_WAITS = sa.text("state IN ('queued', 'held')")
_NOTICE = "notices_notice.id"


class OutboxRow(Model):
    """One notice for one recipient by one channel; it can stand here once only.

    ``key`` is the idempotency key that every attempt hands to the provider, ``reference`` what the
    provider calls the message. ``recipient_id`` is the id of the account, contact, relay or digest, and
    ``user_id`` the person behind it when there is one. A digest belongs to no single notice.
    """

    __tablename__ = "notices_outbox"
    __table_args__ = (
        sa.UniqueConstraint("notice_id", "recipient_kind", "recipient_id", "channel"),
        sa.Index(
            "uq_notices_outbox_digest",
            "recipient_kind",
            "recipient_id",
            "channel",
            unique=True,
            sqlite_where=sa.text("notice_id IS NULL"),
            postgresql_where=sa.text("notice_id IS NULL"),
        ),
        sa.Index(
            "ix_notices_outbox_due",
            "channel",
            "urgent",
            "not_before",
            "id",
            sqlite_where=_WAITS,
            postgresql_where=_WAITS,
        ),
        sa.Index("ix_notices_outbox_provider_reference", "provider", "reference"),
        sa.Index("ix_notices_outbox_state_changed_at", "state", "changed_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(32), unique=True)
    notice_id: Mapped[int | None] = mapped_column(sa.ForeignKey(_NOTICE, ondelete="CASCADE"))
    recipient_kind: Mapped[str] = mapped_column(sa.String(8))
    recipient_id: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), index=True)
    channel: Mapped[str] = mapped_column(sa.String(20))
    #: Of the life-threat class: it goes first, and neither quiet hours nor caps hold it.
    urgent: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(sa.String(12), default=QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[dt.datetime]
    provider: Mapped[str] = mapped_column(sa.String(60), default="")
    reference: Mapped[str | None] = mapped_column(sa.String(120))
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    #: The claim of a worker: whose it is, since when, and until when nobody else may judge it. On a letter
    #: that waits, ``owner`` says that ``provider`` may have taken it already, at ``begun_at`` or later.
    owner: Mapped[str | None] = mapped_column(sa.String(32))
    begun_at: Mapped[dt.datetime | None]
    lease_until: Mapped[dt.datetime | None]
    handed_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]


class OutboxCount(Model):
    """What became of rows that retention or an erasure has removed."""

    __tablename__ = "notices_outbox_count"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    notice_id: Mapped[int] = mapped_column(sa.ForeignKey(_NOTICE, ondelete="CASCADE"), primary_key=True)
    recipient_kind: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    state: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    n: Mapped[int] = mapped_column(default=0)


class Fanout(Model):
    """How far the audience of a notice has been put into the outbox: the stage and the last id done."""

    __tablename__ = "notices_fanout"

    notice_id: Mapped[int] = mapped_column(
        sa.ForeignKey(_NOTICE, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    stage: Mapped[str] = mapped_column(sa.String(8))
    watermark: Mapped[int] = mapped_column(default=0)
    #: The seal of the audience that is walked; another one means to begin anew.
    seal: Mapped[str] = mapped_column(sa.String(64), default="")
    put: Mapped[int] = mapped_column(default=0)
    #: The notice is over, and nothing of it waits any more.
    over: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[dt.datetime]


class Bucket(Model):
    """How fast a provider may be asked, shared by all workers, and whether it works.

    ``spent_until`` is the moment, in microseconds since 1970, at which the bucket is full again.
    """

    __tablename__ = "notices_bucket"

    provider: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    spent_until: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    day: Mapped[dt.date] = mapped_column(sa.Date)
    used: Mapped[int] = mapped_column(default=0)
    #: Failures of the provider in a row; from a number on it is left alone until ``closed_until``.
    failures: Mapped[int] = mapped_column(default=0)
    closed_until: Mapped[dt.datetime | None]
    reason: Mapped[str] = mapped_column(sa.String(200), default="")


class AccessToken(Model):
    """A token that a provider gave and all workers use; one of them at a time asks for a new one."""

    __tablename__ = "notices_access_token"

    provider: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    value: Mapped[str] = mapped_column(sa.Text, default="", info={"secret": True})
    good_until: Mapped[dt.datetime | None]
    refresher: Mapped[str | None] = mapped_column(sa.String(32))
    refreshing_until: Mapped[dt.datetime | None]


class DeadEndpoint(Model):
    """An address that a provider called dead; only a keyed digest of it is kept, so it can be told again."""

    __tablename__ = "notices_dead_endpoint"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    at: Mapped[dt.datetime] = mapped_column(index=True)


class EarlyReceipt(Model):
    """A receipt that came before the worker had noted the provider's reference."""

    __tablename__ = "notices_early_receipt"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    provider: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    reference: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    state: Mapped[str] = mapped_column(sa.String(12))
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    at: Mapped[dt.datetime] = mapped_column(index=True)


class WechatBinding(Model):
    """Which follower of the official account a person is, after he sent his code there."""

    __tablename__ = "notices_wechat_binding"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), unique=True)
    openid: Mapped[str] = mapped_column(sa.String(64), unique=True, info={"personal": "openid"})
    bound_at: Mapped[dt.datetime]


class WechatCode(Model):
    """The code that binds a person to a follower: good once, for a short time, kept as a digest."""

    __tablename__ = "notices_wechat_code"

    user_id: Mapped[int] = mapped_column(
        sa.ForeignKey(User.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True, info={"secret": True})
    good_until: Mapped[dt.datetime]


class PushSubscription(Model):
    """A browser that a person lets us push to."""

    __tablename__ = "notices_push_subscription"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), index=True)
    endpoint: Mapped[str] = mapped_column(sa.String(1000), info={"personal": "push-endpoint"})
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True, info={"secret": True})
    p256dh: Mapped[str] = mapped_column(sa.String(120), info={"secret": True})
    auth: Mapped[str] = mapped_column(sa.String(60), info={"secret": True})
    created_at: Mapped[dt.datetime]
