"""What ``[[content.review]]`` says about a text: reviewer first or not, how many, until when, and which."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keyun.regions.codes import contains
from keyun.uow import UnitOfWork

#: Why a text waits that no screener holds.
BY_RULE = "按本地区规定先审后发 (reviewed before publication)"


@dataclass(frozen=True, slots=True)
class Rule:
    """The answer of the rules for one text; ``role`` is empty when any reviewer may judge it."""

    review_first: bool = False
    approvals: int = 1
    deadline: dt.timedelta = dt.timedelta(hours=48)
    role: str = ""


def rule_for(unit: UnitOfWork, type_name: str, region: str | None, values: Mapping[str, Any]) -> Rule:
    """The last rule that fits counts; without one, a text is public at once."""
    answer = Rule()
    for rule in unit.site.runtime.config.content["review"]:
        here = rule["type"] in ("*", type_name) and contains(rule["region"], region or "100000")
        if here and _fits(rule["where"], values):
            answer = Rule(
                review_first=rule["policy"] == "review-first",
                approvals=rule["approvals"],
                deadline=dt.timedelta(hours=rule["deadline_hours"]),
                role=rule["reviewers"],
            )
    return answer


def _fits(where: Mapping[str, list[str]], values: Mapping[str, Any]) -> bool:
    """Whether each field that the rule names has one of its values; a list of words needs one of them."""
    for name, wanted in where.items():
        value = values.get(name)
        said = value if isinstance(value, list) else [value]
        if not set(wanted) & set(map(str, said)):
            return False
    return True
