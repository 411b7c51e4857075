"""Import articles. Rows are known by ``external_id``: importing again changes, never doubles."""

from __future__ import annotations

from collections.abc import Sequence

from keyun.access import Actor
from keyun.content import take_in
from keyun.exchange import Importer, Row, Written
from keyun.uow import UnitOfWork
from keyun_popsci.models import ARTICLE
from keyun_popsci.schemas import ArticleRow
from keyun_popsci.services import article_type


def importers() -> tuple[Importer, ...]:
    """What this plugin can import."""
    return (Importer("articles", "科普文章", ArticleRow, write, "core.import.run", type=ARTICLE),)


def write(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk; a row without source or voucher comes back as an error."""
    return take_in(actor, unit, article_type(), rows)
