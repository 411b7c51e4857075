"""Tables of content. A plugin's type is a joined-table subclass of :class:`Content`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, relationship, with_loader_criteria

from keyun.accounts.models import Organization, User
from keyun.db import Model, public_id

STATES = ("draft", "submitted", "published", "rejected", "withdrawn", "expired")
ENDED = ("withdrawn", "expired")


class Content(Model):
    """One item of any type: who wrote what for which region, and who may see it."""

    __tablename__ = "core_content"
    __table_args__ = (
        sa.UniqueConstraint("type", "external_id"),
        sa.Index("ix_core_content_type_state_published_at", "type", "state", "published_at"),
        sa.Index("ix_core_content_region_state", "region", "state"),
        sa.Index("ix_core_content_state_published_at", "state", "published_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    external_id: Mapped[str | None] = mapped_column(sa.String(120))
    type: Mapped[str] = mapped_column(sa.String(60))
    title: Mapped[str] = mapped_column(sa.String(120))
    summary: Mapped[str] = mapped_column(sa.Text, default="")
    body: Mapped[str] = mapped_column(sa.Text, default="")
    language: Mapped[str] = mapped_column(sa.String(10), default="zh")
    region: Mapped[str | None] = mapped_column(sa.String(6))
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    organization_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey(Organization.id, ondelete="SET NULL"), index=True
    )
    state: Mapped[str] = mapped_column(sa.String(12), default="draft")
    share: Mapped[str] = mapped_column(sa.String(12), default="local")
    origin: Mapped[str] = mapped_column(sa.String(60), default="")
    voucher: Mapped[str] = mapped_column(sa.String(120), default="")
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime]
    published_at: Mapped[dt.datetime | None]
    reviewed_at: Mapped[dt.datetime | None]
    expires_at: Mapped[dt.datetime | None] = mapped_column(index=True)
    note: Mapped[str] = mapped_column(sa.Text, default="")
    extra: Mapped[dict[str, Any]] = mapped_column(default=dict)

    owner: Mapped[User | None] = relationship(lazy="select")
    organization: Mapped[Organization | None] = relationship(lazy="select")

    __mapper_args__ = {"polymorphic_on": "type", "version_id_col": version}  # noqa: RUF012


class Revision(Model):
    """What an item said at one version."""

    __tablename__ = "core_revision"

    content_id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime]
    actor_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"))
    data: Mapped[dict[str, Any]]


def only_loaded_types(state: ORMExecuteState) -> None:
    """Keep rows of types whose plugin is not loaded out of every ORM query on content.

    A row of an unknown polymorphic identity would otherwise break each list it stands in.
    """
    names = state.session.info.get("content_types")
    if names is None or not state.is_select or state.is_column_load or state.is_relationship_load:
        return
    state.statement = state.statement.options(
        with_loader_criteria(Content, lambda cls: cls.type.in_(names), include_aliases=True)
    )


def listen(sessions: Any) -> None:
    """Attach the filter to a session factory."""
    sa.event.listen(sessions, "do_orm_execute", only_loaded_types)


def loaded(session: Session) -> sa.ColumnElement[bool]:
    """The same filter for Core queries on content."""
    return Content.type.in_(session.info.get("content_types", ()))
