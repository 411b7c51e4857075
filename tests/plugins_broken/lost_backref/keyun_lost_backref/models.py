import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from keyun.accounts.models import User
from keyun.content import Content
from keyun.db import Model


class Item(Model):
    __tablename__ = "lost_backref_item"

    id: Mapped[int] = mapped_column(primary_key=True)
    keeper_id: Mapped[int | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"))
    content_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Content.id, ondelete="SET NULL"))

    keeper = relationship(User, backref="backref_items")
    content = relationship(Content, backref="backref_items")
    other = relationship(User, back_populates="nothing_of_that_name", viewonly=True)
