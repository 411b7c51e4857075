"""The table of articles. The items themselves lie in the core, where popsci finds them too."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.content import Content

#: The type that popsci has: a replacement serves the same items.
ARTICLE = "popsci.article"


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a field, and what people call it."""

    code: str
    title: str
    title_en: str


LEVELS = (
    Choice("easy", "入门", "Easy"),
    Choice("medium", "一般", "Medium"),
    Choice("hard", "专业", "Hard"),
)
#: The shelves of popsci, so that an article written here has a place there.
CATEGORIES = (
    Choice("agriculture", "农业", "Agriculture"),
    Choice("health", "健康", "Health"),
    Choice("nature", "自然生态", "Nature"),
    Choice("safety", "安全", "Safety"),
    Choice("technology", "科技", "Technology"),
    Choice("life", "生活", "Everyday life"),
)
HEALTH = "health"


class Article(Content):
    """An article and how hard it is to read."""

    __tablename__ = "bookshelf_article"
    __mapper_args__ = {"polymorphic_identity": ARTICLE}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    level: Mapped[str] = mapped_column(sa.String(12), index=True)
    category: Mapped[str] = mapped_column(sa.String(20))
    source: Mapped[str] = mapped_column(sa.String(200), default="")
