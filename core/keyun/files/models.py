"""Tables of files: what the store holds, and which item shows it under which name."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from keyun.accounts.models import User
from keyun.content.models import Content
from keyun.db import Model, public_id

MAX_NAME = 120
MAX_ALT = 300
MAX_CREDIT = 200


class StoredFile(Model):
    """One file of the store, named by the SHA-256 of its bytes; several items may show it.

    ``touched_at`` is when somebody brought it last. A sweeper marks a file that nobody shows as
    ``dying`` before it removes it, so that nobody begins to show it meanwhile.
    """

    __tablename__ = "core_file"

    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(60))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    width: Mapped[int | None]
    height: Mapped[int | None]
    #: Whether the smaller pictures are there.
    rendered: Mapped[bool] = mapped_column(default=False)
    dying: Mapped[bool] = mapped_column(default=False)
    touched_at: Mapped[dt.datetime] = mapped_column(index=True)


class Attachment(Model):
    """A file as one item shows it. ``credit`` says who made it and under which licence it may be used."""

    __tablename__ = "core_attachment"
    __table_args__ = (
        sa.UniqueConstraint("content_id", "name"),
        sa.Index("ix_core_attachment_content_id_position", "content_id", "position"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(36), unique=True, default=public_id)
    content_id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(sa.ForeignKey(StoredFile.digest, ondelete="RESTRICT"), index=True)
    name: Mapped[str] = mapped_column(sa.String(MAX_NAME))
    alt: Mapped[str] = mapped_column(sa.String(MAX_ALT), default="")
    # Attribution is part of a licence; it stays when the person who brought the file is forgotten.
    credit: Mapped[str] = mapped_column(sa.String(MAX_CREDIT), default="")
    position: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"), index=True)
    at: Mapped[dt.datetime]

    file: Mapped[StoredFile] = relationship(lazy="joined", innerjoin=True)

    @property
    def is_picture(self) -> bool:
        """Whether it is shown in the page."""
        return self.file.kind.startswith("image/")
