"""Hooks that the marketplace offers to other plugins; values stand in :mod:`keyun_marketplace.scoring`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from keyun.plugins import hookspec

if TYPE_CHECKING:
    from keyun_marketplace.scoring import Asks, Bonus, Found, Query


@hookspec
def keyun_marketplace_bonuses() -> Iterable[Bonus]:  # type: ignore[empty-body]
    """Return how much values of added fields (``keyun_content_fields``) count in matching.

    Called for every match, so return constants. A value gains its share of the score of the words; the
    explanation says so with the titles of field and value. The operator's ``bonuses`` in
    ``[plugin.marketplace]`` win. A failure is logged and no bonus counts. Example:
    ``yield Bonus("greenmark.level", {"one": 0.03, "two": 0.06})``.
    """


@hookspec(firstresult=True)
def keyun_marketplace_rescore(query: Query, found: Sequence[Found]) -> Sequence[Found] | None:
    """Score explained candidates anew; the best of what you return are shown, by their scores.

    Called for every match with up to five times as many candidates as are shown, bonuses included, best
    first by kind. Change a score with ``found.plus(reason(value, "理由", "reason"))``: parts add up to the
    score. Return candidates you got, all or some; None leaves them to the next plugin. Runs on the request
    path: touch no database. A failure, or parts that do not add up, are logged and the scores stay.
    """


@hookspec(firstresult=True)
def keyun_marketplace_matcher(side: str, matcher: Asks) -> Asks | None:
    """Return what is asked for matches instead of the engine; None leaves it to the next plugin.

    Called for every match. ``side`` is ``offers`` (asked with a need) or ``needs`` (asked with an offer),
    ``matcher`` the engine, brought up to date. Return an object with ``match(query, top) -> Answer`` that
    you keep; it may ask ``matcher``. What is not public is left out afterwards. A failure, or candidates
    whose parts do not add up, are logged and the engine answers.
    """
