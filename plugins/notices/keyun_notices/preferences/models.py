"""Tables of preferences: what differs from the defaults, what was sent today, and what waits for a digest.

Who never changed anything has no row here.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.accounts import User
from keyun.db import JSON, Model
from keyun_notices.publishing.models import Notice

#: How often a topic may come by the channels a person turned on.
AT_ONCE, DAILY, WEEKLY, NEVER = "at-once", "daily", "weekly", "never"
FREQUENCIES = (AT_ONCE, DAILY, WEEKLY, NEVER)
#: The kinds of digest.
KINDS = (DAILY, WEEKLY)

_WAITS = sa.text("digest_id IS NULL")


def _person() -> sa.ForeignKey:
    return sa.ForeignKey(User.id, ondelete="CASCADE")


class Preference(Model):
    """What a person asks of all topics; an empty column is the default of the site.

    ``quiet_from`` and ``quiet_until`` are minutes of the local day, and equal when no hour is quiet.
    ``impersonal`` refuses notices that were chosen by anything but the region.
    """

    __tablename__ = "notices_preference"

    user_id: Mapped[int] = mapped_column(_person(), primary_key=True, autoincrement=False)
    inbox_only: Mapped[bool] = mapped_column(default=False)
    impersonal: Mapped[bool] = mapped_column(default=False)
    quiet_from: Mapped[int | None] = mapped_column(sa.SmallInteger)
    quiet_until: Mapped[int | None] = mapped_column(sa.SmallInteger)
    daily_cap: Mapped[int | None] = mapped_column(sa.SmallInteger)
    changed_at: Mapped[dt.datetime]


class ChosenChannel(Model):
    """A channel outside this site that a person turned on himself."""

    __tablename__ = "notices_preference_channel"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    user_id: Mapped[int] = mapped_column(_person(), primary_key=True, autoincrement=False)
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    chosen_at: Mapped[dt.datetime]


class TopicChoice(Model):
    """How often one topic may come, and by which of the chosen channels (empty: those of the topic)."""

    __tablename__ = "notices_preference_topic"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    user_id: Mapped[int] = mapped_column(_person(), primary_key=True, autoincrement=False)
    topic: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    frequency: Mapped[str] = mapped_column(sa.String(8))
    channels: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))


class SentCount(Model):
    """How many messages a person got on one local day, by all plugins and all channels together."""

    __tablename__ = "notices_sent"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    user_id: Mapped[int] = mapped_column(_person(), primary_key=True, autoincrement=False)
    day: Mapped[dt.date] = mapped_column(sa.Date, primary_key=True, index=True)
    sent: Mapped[int] = mapped_column(sa.SmallInteger)


class Digest(Model):
    """One digest of one person; its contents are the items that point here."""

    __tablename__ = "notices_digest"
    __table_args__ = (
        sa.UniqueConstraint("user_id", "kind", "period"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(_person())
    kind: Mapped[str] = mapped_column(sa.String(8))
    period: Mapped[str] = mapped_column(sa.String(10))
    made_at: Mapped[dt.datetime] = mapped_column(index=True)


class DigestItem(Model):
    """A notice that a person gets in a digest and not at once; it can stand in one digest only.

    ``channel`` is the one by which that digest carries it.

    Written while the notice is fanned out, in the transaction that decides who gets it at once.
    """

    __tablename__ = "notices_digest_item"
    __table_args__ = (
        sa.Index("ix_notices_digest_item_waiting", "user_id", sqlite_where=_WAITS, postgresql_where=_WAITS),
        {"sqlite_with_rowid": False},
    )

    user_id: Mapped[int] = mapped_column(_person(), primary_key=True, autoincrement=False)
    notice_id: Mapped[int] = mapped_column(
        sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )
    queued_at: Mapped[dt.datetime] = mapped_column(index=True)
    digest_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Digest.id, ondelete="CASCADE"), index=True)
    channel: Mapped[str | None] = mapped_column(sa.String(20))


class DigestRun(Model):
    """How far the digests of a kind are made: the period, and the last person that was looked at."""

    __tablename__ = "notices_digest_run"

    kind: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    period: Mapped[str] = mapped_column(sa.String(10))
    watermark: Mapped[int] = mapped_column(default=0)
    finished: Mapped[bool] = mapped_column(default=False)
