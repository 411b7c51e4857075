"""Figures for programs."""

from __future__ import annotations

from typing import Any

from keyun.access import requires
from keyun.api import ApiBlueprint, operation
from keyun.web.context import actor, reading, site
from keyun_usage import answers, schemas, services


def blueprint(name: str) -> ApiBlueprint:
    """``/api/v1/usage``."""
    api = ApiBlueprint(name, __name__, description="使用统计 / Usage")
    asked = schemas.ReportArguments
    operation(
        api, "/report", report, schemas.ReportSchema, "一个地区一段时间的使用统计 / A report", query=asked
    )
    operation(api, "/rules", rules, schemas.RulesSchema, "统计口径 / The rules")
    return api


@requires(services.READ)
def report(query: dict[str, Any]) -> dict[str, Any]:
    """Person-times and distinct people of a place and everything below it, both days included."""
    unit = reading()
    made = services.report(actor(), unit, query["region"], query["start"], query["end"])
    return answers.report_data(made, unit)


@requires(services.READ)
def rules() -> dict[str, Any]:
    """What counts, by which version of which rule."""
    return {"items": answers.rules_data(site())}
