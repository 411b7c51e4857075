"""The hook that usage offers to other plugins; its values stand in :mod:`keyun_usage.rules`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from keyun.plugins import hookspec

if TYPE_CHECKING:
    from keyun_usage.rules import Rule


@hookspec
def keyun_usage_rules() -> Iterable[Rule]:  # type: ignore[empty-body]
    """Return rules that say which openings count, such as a stricter one for popular science.

    Called for every fold and report, so return constants. The operator chooses one by its id
    (``<name>-<version>``) in ``[plugin.usage] rule``; figures carry the id of the rule they were made
    with, so never change a rule: give it a new version. ``judge`` runs in the worker on up to some
    million records at once and touches no database. A failure is logged and only the bundled rule counts.
    """
