import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.content import Content


class Item(Content):
    __tablename__ = "lost_key_item"
    __mapper_args__ = {"polymorphic_identity": "lost_key.item"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    gone_id: Mapped[int] = mapped_column(sa.ForeignKey("nowhere_table.id"))
