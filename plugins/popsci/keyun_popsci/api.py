"""Articles for programs."""

from __future__ import annotations

import uuid
from typing import Any

from keyun.access import public
from keyun.api import ApiBlueprint, item, narrowed, operation
from keyun.content import find
from keyun.web.context import actor, opened, reading
from keyun_popsci import schemas, services
from keyun_popsci.models import ARTICLE, Article


def blueprint(name: str) -> ApiBlueprint:
    """``/api/v1/popsci``."""
    api = ApiBlueprint(name, __name__, description="科普苑 / Popular Science")
    operation(
        api,
        "/articles",
        articles,
        schemas.ArticlePageSchema,
        "科普文章 / Articles",
        query=schemas.ArticleArguments,
        lists=ARTICLE,
    )
    operation(
        api, "/articles/<uuid:public_id>", article, schemas.ArticleDetailSchema, "一篇科普文章 / One article"
    )
    return api


@public
def articles(query: dict[str, Any]) -> dict[str, Any]:
    """Published articles, newest first, of one category or all."""
    found = services.articles(
        actor(), reading(), query["category"], query["after"], query["limit"], narrowed(ARTICLE)
    )
    return {"items": [_item(a) for a in found.items], "next": found.next}


@public
def article(public_id: uuid.UUID) -> dict[str, Any]:
    """One article with its text."""
    found = find(actor(), reading(), Article, str(public_id))
    opened(found)
    return _item(found) | {"body": found.body}


def _item(found: Article) -> dict[str, Any]:
    return item(found) | {"category": found.category, "source": found.source}
