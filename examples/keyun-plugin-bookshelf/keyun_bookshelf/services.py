"""What can be done with articles; each service checks the permission on its first line."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from keyun.access import Actor
from keyun.api import Page, page
from keyun.content import ContentType, Draft, Verdict, content_exporter, published, take_in
from keyun.exchange import Exporter, Importer, Row, Written
from keyun.plugins import Permission
from keyun.uow import UnitOfWork
from keyun_bookshelf.models import ARTICLE, HEALTH, Article
from keyun_bookshelf.schemas import ArticleRow, ArticleSchema

NO_SOURCE = "请写明来源和审定者，读者要能查证。 (Name the source and who vouches for it.)"
HEALTH_HELD = "健康类文章须经审核后公开。 (Health articles are reviewed before publication.)"


def article_type() -> ContentType:
    """The content type of the slot, on this plugin's table."""
    return ContentType(
        ARTICLE, Article, ArticleSchema, "popsci.show", "科普文章", "popular science article", level=0
    )


def permissions() -> tuple[Permission, ...]:
    """The permissions of the slot; roles that were granted keep their meaning. Editors write, others read."""
    editors = frozenset({"editor", "staff", "admin"})
    return (
        Permission(f"{ARTICLE}.create", "起草科普文章", "draft an article", editors),
        Permission(f"{ARTICLE}.edit", "修改科普文章", "edit an article", editors, owner=True),
        Permission(f"{ARTICLE}.publish", "发布科普文章", "publish an article", editors),
        Permission(f"{ARTICLE}.withdraw", "撤回科普文章", "withdraw an article", editors, owner=True),
    )


def importers() -> tuple[Importer, ...]:
    """What ``keyun import`` can read; files made for popsci are among it."""
    return (Importer("articles", "科普文章", ArticleRow, write, "core.import.run", type=ARTICLE),)


def exporters() -> tuple[Exporter, ...]:
    """What ``keyun export`` can write."""
    return (content_exporter("articles", "科普文章", article_type(), ArticleRow),)


def write(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk of an import file."""
    return take_in(actor, unit, article_type(), rows)


def articles(
    actor: Actor,
    unit: UnitOfWork,
    level: str | None = None,
    after: str | None = None,
    limit: int = 20,
    conditions: Sequence[sa.ColumnElement[bool]] = (),
) -> Page[Article]:
    """A page of public articles, newest first; open to everyone, so there is nothing to check."""
    query = (
        sa.select(Article)
        .where(Article.type == ARTICLE, published(unit.now), *conditions)
        .options(joinedload(Article.organization))
    )
    if level is not None:
        query = query.where(Article.level == level)
    return page(unit.session, query, (Article.published_at, Article.id), after=after, limit=limit)


def screen(draft: Draft) -> Verdict | None:
    """Refuse an article without source or voucher; hold one about health for a reviewer."""
    if draft.type != ARTICLE:
        return None
    if not all(str(draft.values.get(name) or "").strip() for name in ("source", "voucher")):
        return Verdict.refuse(NO_SOURCE)
    return Verdict.hold(HEALTH_HELD) if draft.values.get("category") == HEALTH else None
