"""What this node is, and what its owners declared shareable. Nothing is sent anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from keyun.content import Content, published
from keyun.uow import UnitOfWork

SHARES = ("local", "region", "federation", "public")


@dataclass(frozen=True, slots=True)
class Node:
    """This node: who runs it where, and how many published items declare each way of sharing, by type."""

    title: str
    operator: str
    region: str
    shares: dict[str, dict[str, int]]


def node(unit: UnitOfWork) -> Node:
    """Describe this node; open to everyone, it tells counts only."""
    query = (
        sa.select(Content.type, Content.share, sa.func.count())
        .where(published(unit.now), Content.type.in_(unit.site.type_names))
        .group_by(Content.type, Content.share)
    )
    shares = {name: dict.fromkeys(SHARES, 0) for name in unit.site.type_names}
    for name, share, count in unit.session.execute(query):
        shares[name][share] = count
    config = unit.site.runtime.config.site
    return Node(config["title"], config["operator"], config["region"], shares)
