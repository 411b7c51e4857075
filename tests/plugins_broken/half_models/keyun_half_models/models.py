import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from keyun.content import Content
from keyun.db import Model


class Item(Content):
    __tablename__ = "half_models_item"
    __mapper_args__ = {"polymorphic_identity": "half_models.item"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    notes = relationship("Note")


class Note(Model):
    __tablename__ = "half_models_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    raise RuntimeError("half-way")
