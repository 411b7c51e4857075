"""Another scorer: every further offer of one owner loses a little, so that others are seen too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from marshmallow import Schema, fields, validate

from keyun.plugins import Plugin, hookimpl
from keyun_marketplace.scoring import Found, Query, reason

#: A match never loses more than this share of the score of its words.
MOST = 0.5


class Settings(Schema):
    """``[plugin.fairmatch]``."""

    #: The share that an offer loses for each better one of the same owner.
    step = fields.Float(load_default=0.15, validate=validate.Range(0, MOST))


class FairmatchPlugin(Plugin):
    """Room for more than one owner among the best matches."""

    settings_schema = Settings

    @hookimpl
    def keyun_marketplace_rescore(self, query: Query, found: Sequence[Found]) -> Sequence[Found] | None:
        return spread(found, self.settings["step"])


def spread(found: Sequence[Found], step: float) -> list[Found]:
    """``found`` scored anew: the best of each owner keeps its score, the n-th loses n - 1 steps."""
    before: Counter[Hashable] = Counter()
    scored: list[Found] = []
    for match in sorted(found, key=lambda f: -f.score):
        owner = match.owner or match.owner_id
        better = before[match.kind, owner] if owner else 0
        before[match.kind, owner] += 1
        scored.append(_behind(match, better, step) if better and step else match)
    return scored


def _behind(match: Found, better: int, step: float) -> Found:
    loss = match.words * min(better * step, MOST)
    zh = f"同一发布者已有 {better} 项排在前面"
    return match.plus(reason(-loss, zh, f"{better} of the same owner stand before it"))
