"""Tables of reviews. No plugin keeps approvals in a table of its own."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.accounts.models import User
from keyun.content.models import Content
from keyun.db import Model, public_id

#: ``open`` waits for reviewers, ``returned`` for its author; the others are ends.
STATES = ("open", "returned", "approved", "rejected", "closed")
VERDICTS = ("approve", "changes", "reject")
MAX_WORDS = 2000
MAX_COMMENTS = 200


class Review(Model):
    """The question whether an item may become public, asked of its text at one ``version``.

    ``approvals`` are those of this version; a new text begins at none again. ``base_version`` is the
    revision that the public read before, if any. ``role`` narrows the reviewers down to one role.
    """

    __tablename__ = "core_review"
    __table_args__ = (
        sa.Index(
            "ix_core_review_open_content_id",
            "content_id",
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        ),
        sa.Index("ix_core_review_state_due_at_id", "state", "due_at", "id"),
        sa.Index("ix_core_review_content_id_id", "content_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    content_id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"))
    version: Mapped[int]
    base_version: Mapped[int | None]
    state: Mapped[str] = mapped_column(sa.String(12), default="open")
    asked_by_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    reviewer_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    role: Mapped[str] = mapped_column(sa.String(20), default="")
    needed: Mapped[int] = mapped_column(default=1)
    approvals: Mapped[int] = mapped_column(default=0)
    comments: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime]
    reminded_at: Mapped[dt.datetime | None]
    closed_at: Mapped[dt.datetime | None]


class ReviewVerdict(Model):
    """What one reviewer said about one version; rows are only ever added."""

    __tablename__ = "core_review_verdict"
    __table_args__ = (sa.UniqueConstraint("review_id", "user_id", "version", "kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    review_id: Mapped[int] = mapped_column(sa.ForeignKey(Review.id, ondelete="CASCADE"))
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(12))
    reason: Mapped[str] = mapped_column(sa.Text, default="")
    at: Mapped[dt.datetime]


class ReviewComment(Model):
    """A word in the conversation between author and reviewers; rows are only ever added."""

    __tablename__ = "core_review_comment"
    __table_args__ = (sa.Index("ix_core_review_comment_review_id_id", "review_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    review_id: Mapped[int] = mapped_column(sa.ForeignKey(Review.id, ondelete="CASCADE"))
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    #: ``author`` or ``reviewer``.
    side: Mapped[str] = mapped_column(sa.String(12))
    text: Mapped[str] = mapped_column(sa.Text, info={"personal": "comment"})
    at: Mapped[dt.datetime]
