"""Export articles in the columns their importer reads."""

from __future__ import annotations

from keyun.content import content_exporter
from keyun.exchange import Exporter
from keyun_popsci.schemas import ArticleRow
from keyun_popsci.services import article_type


def exporters() -> tuple[Exporter, ...]:
    """What this plugin can export."""
    return (content_exporter("articles", "科普文章", article_type(), ArticleRow),)
