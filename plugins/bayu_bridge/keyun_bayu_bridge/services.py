"""What this node is, and what it declares shareable. Nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from keyun import __version__
from keyun.access import Actor
from keyun.content import Content, published
from keyun.plugins import Permission
from keyun.uow import UnitOfWork

VIEW = "bayu_bridge.node.view"
#: How far an item may travel, from nowhere to everywhere.
SHARES = ("local", "region", "federation", "public")


@dataclass(frozen=True, slots=True)
class Shared:
    """The published items of one type, counted by what their ``share`` declares."""

    type: str
    title: str
    title_en: str
    local: int = 0
    region: int = 0
    federation: int = 0
    public: int = 0

    @property
    def shareable(self) -> int:
        """How many may leave this node once exchange exists."""
        return self.region + self.federation + self.public


@dataclass(frozen=True, slots=True)
class Node:
    """Who runs this node and where, and what it would share."""

    title: str
    title_en: str
    operator: str
    region: str
    region_name: str
    version: str
    #: Whether anything is exchanged with other nodes: not in this version.
    exchange: bool
    types: Sequence[Shared]


def permissions() -> tuple[Permission, ...]:
    """Everybody may know what a public node is; the figures count published items only."""
    return (Permission(VIEW, "查看节点", "view the node", frozenset({"anyone"})),)


def node(actor: Actor, unit: UnitOfWork) -> Node:
    """Describe this node; the figures are counted from the database now."""
    unit.require(actor, VIEW)
    site = unit.site
    config = site.runtime.config.site
    counts: dict[str, dict[str, int]] = {name: {} for name in site.types}
    query = (
        sa.select(Content.type, Content.share, sa.func.count())
        .where(published(unit.now), Content.type.in_(site.type_names))
        .group_by(Content.type, Content.share)
    )
    for name, share, number in unit.session.execute(query):
        counts[name][share] = number
    return Node(
        title=config["title"],
        title_en=config["title_en"],
        operator=config["operator"],
        region=config["region"],
        region_name=site.regions.name(config["region"]),
        version=__version__,
        exchange=False,
        types=[
            Shared(t.name, t.title, t.title_en, *(counts[t.name].get(s, 0) for s in SHARES))
            for t in site.types.values()
        ],
    )
