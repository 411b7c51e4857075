import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from keyun.accounts.models import User
from keyun.content import Content
from keyun.db import Model


class Item(Content):
    __tablename__ = "lost_relationship_item"
    __mapper_args__ = {"polymorphic_identity": "lost_relationship.item"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    keeper_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"))

    keeper = relationship(User, foreign_keys=[keeper_id], backref="kept_items")
    other = relationship("Nothing")


class Note(Model):
    __tablename__ = "lost_relationship_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(sa.ForeignKey(Item.id, ondelete="CASCADE"))
    item: Mapped[Item] = relationship(backref="notes")
