"""Tables of the marketplace: offers, needs, people who agreed to be found, matches and requests."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from keyun.accounts import User
from keyun.content import Content
from keyun.db import Model, public_id

OFFER = "marketplace.offer"
NEED = "marketplace.need"
PERSON = "marketplace.person"


class Offer(Content):
    """科技所能: what a worker or an organization can do for others."""

    __tablename__ = "marketplace_offer"
    __mapper_args__ = {"polymorphic_identity": OFFER}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    keywords: Mapped[list[str]] = mapped_column(default=list)
    discipline: Mapped[str | None] = mapped_column(sa.String(60), index=True)
    kind: Mapped[str] = mapped_column(sa.String(12), default="service")
    stage: Mapped[str] = mapped_column(sa.String(12), default="product")
    terms: Mapped[str] = mapped_column(sa.String(120), default="")


class Need(Content):
    """科技所需: what an enterprise or an institution looks for."""

    __tablename__ = "marketplace_need"
    __mapper_args__ = {"polymorphic_identity": NEED}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    keywords: Mapped[list[str]] = mapped_column(default=list)
    discipline: Mapped[str | None] = mapped_column(sa.String(60), index=True)
    budget: Mapped[int | None] = mapped_column(sa.BigInteger)
    deadline: Mapped[dt.date | None] = mapped_column(sa.Date)
    outcome: Mapped[str] = mapped_column(sa.Text, default="")


class Person(Model):
    """What a worker shows of himself so that needs find him; his name stays hidden until he agrees."""

    __tablename__ = "marketplace_person"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), unique=True)
    discipline: Mapped[str | None] = mapped_column(sa.String(60))
    title: Mapped[str] = mapped_column(sa.String(60), info={"personal": "profession"})
    keywords: Mapped[list[str]] = mapped_column(default=list)
    summary: Mapped[str] = mapped_column(sa.Text, default="")
    findable: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    changed_at: Mapped[dt.datetime]

    user: Mapped[User] = relationship(lazy="joined")

    @property
    def owner_id(self) -> int | None:
        """A profile belongs to its user."""
        return self.user_id

    @property
    def organization_id(self) -> int | None:
        """No organization owns a person's profile."""
        return None

    @property
    def region(self) -> str | None:
        """Where the person lives or works."""
        return self.user.region


class Match(Model):
    """That an offer or a person was found for a need, and why; written by the worker, read by the inbox."""

    __tablename__ = "marketplace_match"
    __table_args__ = (sa.Index("ix_marketplace_match_owner_id_need_id", "owner_id", "need_id"),)

    need_id: Mapped[int] = mapped_column(sa.ForeignKey(Need.id, ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    target_id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"))
    score: Mapped[float]
    parts: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
    found_at: Mapped[dt.datetime]


class Request(Model):
    """The owner of a need asks somebody for help; nothing is exposed before a yes."""

    __tablename__ = "marketplace_request"
    __table_args__ = (
        sa.UniqueConstraint("need_id", "kind", "target_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    need_id: Mapped[int] = mapped_column(sa.ForeignKey(Need.id, ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(sa.String(8))
    target_id: Mapped[int]
    sender_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), index=True)
    receiver_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), index=True)
    message: Mapped[str] = mapped_column(sa.Text, default="")
    state: Mapped[str] = mapped_column(sa.String(10), default="open")
    reply: Mapped[str] = mapped_column(sa.Text, default="")
    created_at: Mapped[dt.datetime]
    answered_at: Mapped[dt.datetime | None]

    need: Mapped[Need] = relationship(lazy="joined")
    sender: Mapped[User] = relationship(foreign_keys=[sender_id], lazy="joined")
    receiver: Mapped[User] = relationship(foreign_keys=[receiver_id], lazy="joined")
