import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.content import Content


class Article(Content):
    __tablename__ = "taken_type_article"
    __mapper_args__ = {"polymorphic_identity": "popsci.article"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
