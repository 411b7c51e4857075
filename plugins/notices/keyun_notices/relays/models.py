"""Tables of relays: who passes notices on, what was asked of them, and what they say they did."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.accounts import User
from keyun.db import Model, public_id
from keyun_notices.publishing.models import Notice


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of relay."""

    code: str
    title: str
    title_en: str


KINDS = (
    Kind("person", "网格员或联络人", "grid worker"),
    Kind("loudspeaker", "大喇叭", "loudspeaker"),
    Kind("screen", "显示屏", "screen"),
    Kind("school", "学校", "school"),
    Kind("other", "其他", "other"),
)


class Relay(Model):
    """A post or a device that passes notices on to people around it."""

    __tablename__ = "notices_relay"
    __table_args__ = (
        sa.Index("ix_notices_relay_region_id", "region", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    kind: Mapped[str] = mapped_column(sa.String(12))
    name: Mapped[str] = mapped_column(sa.String(80))
    region: Mapped[str] = mapped_column(sa.String(6))
    #: The account of whoever looks after it, if he has one.
    manager_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    #: SHA-256 of the key in its link; the link itself is shown once.
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True, info={"secret": True})
    #: Where a device wants to be told; may carry a key of its own.
    webhook: Mapped[str | None] = mapped_column(sa.String(500), info={"secret": True})
    headcount: Mapped[int] = mapped_column(default=0)
    note: Mapped[str] = mapped_column(sa.String(300), default="")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[dt.datetime]

    @property
    def owner_id(self) -> int | None:
        """Whoever looks after it owns it."""
        return self.manager_id

    @property
    def organization_id(self) -> int | None:
        """No organization owns a relay."""
        return None


class AddressedRelay(Model):
    """Which of 4,096 relays were asked to pass a notice on: one bit each, the lowest first."""

    __tablename__ = "notices_addressed_relay"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    notice_id: Mapped[int] = mapped_column(
        sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True, index=True
    )
    bits: Mapped[bytes] = mapped_column(sa.LargeBinary(512))


class Passed(Model):
    """What a relay said last about a notice: passed on, when, to about how many."""

    __tablename__ = "notices_passed"

    notice_id: Mapped[int] = mapped_column(sa.ForeignKey(Notice.id, ondelete="CASCADE"), primary_key=True)
    relay_id: Mapped[int] = mapped_column(
        sa.ForeignKey(Relay.id, ondelete="CASCADE"), primary_key=True, index=True
    )
    headcount: Mapped[int]
    at: Mapped[dt.datetime]
    #: How many different things it has said; the last one counts.
    revision: Mapped[int]


class Statement(Model):
    """Everything a relay ever said about a notice, in order."""

    __tablename__ = "notices_statement"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["notice_id", "relay_id"], [Passed.notice_id, Passed.relay_id], ondelete="CASCADE"
        ),
    )

    notice_id: Mapped[int] = mapped_column(primary_key=True)
    relay_id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    headcount: Mapped[int]
    at: Mapped[dt.datetime]
    recorded_at: Mapped[dt.datetime]
    way: Mapped[str] = mapped_column(sa.String(10))
