"""Tables of accounts. Personal columns say so; names and phones never leave the node by themselves."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from keyun.db import Model, public_id


class Organization(Model):
    """An enterprise, institute, society, agency, centre or park. ``uscc``: 统一社会信用代码."""

    __tablename__ = "core_organization"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    external_id: Mapped[str | None] = mapped_column(sa.String(120), unique=True)
    name: Mapped[str] = mapped_column(sa.String(120), index=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    uscc: Mapped[str | None] = mapped_column(sa.String(18), unique=True)
    region: Mapped[str | None] = mapped_column(sa.String(6), index=True)
    summary: Mapped[str] = mapped_column(sa.Text, default="")
    verified: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[dt.datetime]

    @property
    def owner_id(self) -> int | None:
        """No single user owns an organization."""
        return None

    @property
    def organization_id(self) -> int | None:
        """The organization itself, so that its members own it."""
        return self.id


class User(Model):
    """An account. ``level``: 0 none, 1 phone verified, 2 identity verified, 3 profession verified."""

    __tablename__ = "core_user"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    external_id: Mapped[str | None] = mapped_column(sa.String(120), unique=True)
    login: Mapped[str] = mapped_column(sa.String(60), unique=True, info={"personal": "login"})
    name: Mapped[str] = mapped_column(sa.String(60), info={"personal": "name"})
    email: Mapped[str | None] = mapped_column(sa.String(254), unique=True, info={"personal": "email"})
    phone: Mapped[str | None] = mapped_column(sa.String(20), unique=True, info={"personal": "phone"})
    password_hash: Mapped[str | None] = mapped_column(sa.String(255), info={"secret": True})
    region: Mapped[str | None] = mapped_column(sa.String(6), index=True)
    level: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    #: Whether to tell this user by e-mail what happened; a forgotten password is mailed anyway.
    mail_wanted: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    created_at: Mapped[dt.datetime]

    memberships: Mapped[list[Membership]] = relationship(back_populates="user", lazy="selectin")
    grants: Mapped[list[Grant]] = relationship(lazy="selectin")

    @property
    def owner_id(self) -> int | None:
        """A user owns himself."""
        return self.id

    @property
    def organization_id(self) -> int | None:
        """No organization owns a user."""
        return None


class Membership(Model):
    """A user acts for an organization."""

    __tablename__ = "core_membership"

    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[int] = mapped_column(
        sa.ForeignKey(Organization.id, ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(sa.String(20), default="member")

    user: Mapped[User] = relationship(back_populates="memberships")
    organization: Mapped[Organization] = relationship(lazy="joined")


class Grant(Model):
    """A user has a role for a region and everything below it."""

    __tablename__ = "core_grant"

    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    region: Mapped[str] = mapped_column(sa.String(6), primary_key=True)


class Token(Model):
    """A key for programs. Only its SHA-256 is stored."""

    __tablename__ = "core_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(sa.String(60))
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True, info={"secret": True})
    created_at: Mapped[dt.datetime]
