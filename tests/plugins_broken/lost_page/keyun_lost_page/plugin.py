import sqlalchemy as sa
from marshmallow import Schema
from sqlalchemy.orm import Mapped, mapped_column

from keyun.content import Content, ContentType
from keyun.plugins import Plugin, hookimpl


class Item(Content):
    __tablename__ = "lost_page_item"
    __mapper_args__ = {"polymorphic_identity": "lost_page.item"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)


class BrokenPlugin(Plugin):
    @hookimpl
    def keyun_content_types(self):
        yield ContentType("lost_page.item", Item, Schema, "lost_page.show", "条目", "item")
