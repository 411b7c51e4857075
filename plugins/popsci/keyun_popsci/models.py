"""The table of articles."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from keyun.content import Content

ARTICLE = "popsci.article"


@dataclass(frozen=True, slots=True)
class Category:
    """A shelf of articles."""

    code: str
    title: str
    title_en: str


CATEGORIES = (
    Category("agriculture", "农业", "Agriculture"),
    Category("health", "健康", "Health"),
    Category("nature", "自然生态", "Nature"),
    Category("safety", "安全", "Safety"),
    Category("technology", "科技", "Technology"),
    Category("life", "生活", "Everyday life"),
)
HEALTH = "health"


class Article(Content):
    """An article for everybody. ``source``: where its facts come from; ``voucher``: who reviewed it."""

    __tablename__ = "popsci_article"
    __mapper_args__ = {"polymorphic_identity": ARTICLE}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey(Content.id, ondelete="CASCADE"), primary_key=True)
    category: Mapped[str] = mapped_column(sa.String(20), index=True)
    source: Mapped[str] = mapped_column(sa.String(200), default="")
