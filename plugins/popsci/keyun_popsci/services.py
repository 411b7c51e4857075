"""Lists of articles, who may write them, and what must be there before the public reads one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from keyun.access import Actor
from keyun.api import Page, page
from keyun.content import Content, ContentType, Draft, ReviewCheck, Verdict, published
from keyun.plugins import Permission
from keyun.uow import UnitOfWork
from keyun_popsci.models import ARTICLE, HEALTH, Article
from keyun_popsci.schemas import ArticleSchema

PAGE_SIZE = 20
MOST_DRAFTS = 50
NO_SOURCE = "请写明来源，读者要能查证。 (Name the source, so that readers can check it.)"
NO_VOUCHER = "请写明审定者，科普文章须有人把关。 (Name who vouches for the article.)"
#: Promises that no source can keep; in health topics advertising law forbids them too.
EXAGGERATIONS = (
    "根治", "包治", "包好", "祖传秘方", "特效药", "百分之百有效", "100%有效", "无任何副作用", "永不复发",
)  # fmt: skip
HEALTH_HELD = "健康类文章须经审核后公开。 (Health articles are reviewed before publication.)"


def article_type() -> ContentType:
    """The content type of this plugin."""
    return ContentType(
        ARTICLE, Article, ArticleSchema, "popsci.show", "科普文章", "popular science article", level=0
    )


def permissions() -> tuple[Permission, ...]:
    """Editors write; others read."""
    editors = frozenset({"editor", "staff", "admin"})
    return (
        Permission(f"{ARTICLE}.create", "起草科普文章", "draft an article", editors),
        Permission(f"{ARTICLE}.edit", "修改科普文章", "edit an article", editors, owner=True),
        Permission(f"{ARTICLE}.publish", "发布科普文章", "publish an article", editors),
        Permission(f"{ARTICLE}.withdraw", "撤回科普文章", "withdraw an article", editors, owner=True),
    )


def articles(
    actor: Actor,
    unit: UnitOfWork,
    category: str | None = None,
    after: str | None = None,
    limit: int = PAGE_SIZE,
    conditions: Sequence[sa.ColumnElement[bool]] = (),
) -> Page[Article]:
    """A page of public articles, newest first; open to everyone, so there is nothing to check.

    ``conditions`` narrow it down by fields that plugins add.

    :raises Invalid: when ``after`` is not the ``next`` of a page.
    """
    query = (
        sa.select(Article)
        .where(Article.type == ARTICLE, published(unit.now), *conditions)
        .options(joinedload(Article.organization))
    )
    if category is not None:
        query = query.where(Article.category == category)
    # The columns of one table, so that an index leads through the list.
    keys: Sequence[Any] = (Content.published_at, Content.id)
    return page(unit.session, query, keys, after=after, limit=limit)


def drafts(actor: Actor, unit: UnitOfWork) -> Sequence[Article]:
    """What ``actor`` wrote and the public does not see yet."""
    unit.require(actor, f"{ARTICLE}.create")
    query = sa.select(Article).where(
        Article.owner_id == actor.user_id, Article.state.in_(("draft", "submitted", "rejected"))
    )
    return unit.session.scalars(query.order_by(Article.changed_at.desc()).limit(MOST_DRAFTS)).all()


def screen(draft: Draft) -> Verdict | None:
    """Refuse an article without source or voucher; hold one about health for a reviewer."""
    if draft.type != ARTICLE:
        return None
    checks = (("source", NO_SOURCE), ("voucher", NO_VOUCHER))
    missing = [reason for name, reason in checks if not str(draft.values.get(name) or "").strip()]
    if missing:
        return Verdict.refuse(" ".join(missing))
    return Verdict.hold(HEALTH_HELD) if draft.values.get("category") == HEALTH else None


def review_checks(draft: Draft) -> Iterator[ReviewCheck]:
    """Show reviewers of an article the promises in it that no source can keep."""
    if draft.type != ARTICLE:
        return
    text, name = f"{draft.title}\n{draft.summary}\n{draft.body}", "夸大用语 (Exaggeration)"
    if found := [words for words in EXAGGERATIONS if words in text]:
        text = "有谁也做不到的承诺。 (It promises what nobody can keep.)"
        yield ReviewCheck.warned(name, text, "、".join(found))
    else:
        yield ReviewCheck.passed(name, "没有发现。 (Nothing found.)")
