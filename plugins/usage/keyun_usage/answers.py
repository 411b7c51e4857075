"""A report and the rules as plain data, the same for the API and the command line."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from keyun.site import Site
from keyun.uow import UnitOfWork
from keyun_usage.rules import rules
from keyun_usage.services import Report, Times

#: Characters that make a spreadsheet take a cell for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(file: TextIO, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write ``lines`` as CSV, so that a spreadsheet takes no word for a formula."""
    writer = csv.DictWriter(file, list(lines[0]))
    writer.writeheader()
    for line in lines:
        cells = line.items()
        writer.writerow({k: f"'{v}" if isinstance(v, str) and v.startswith(FORMULA) else v for k, v in cells})


def month_text(month: int) -> str:
    """``2026-11`` for 202611."""
    return f"{month // 100:04}-{month % 100:02}"


def report_data(made: Report, unit: UnitOfWork) -> dict[str, Any]:
    """Everything a report says."""
    name = unit.site.regions.name
    return {
        "region": made.region,
        "name": name(made.region),
        "note": made.note,
        "start": made.start,
        "end": made.end,
        "as_of": made.as_of,
        "total": _times(made.total),
        "anonymous_share": made.anonymous_share,
        "distinct": {
            "first_month": month_text(made.distinct.first_month),
            "last_month": month_text(made.distinct.last_month),
            "people": made.distinct.people,
            "removed": made.distinct.removed,
            "rules": list(made.distinct.rules),
        },
        "channels": [{"name": n, **_times(t)} for n, t in sorted(made.by_channel.items())],
        "types": [{"name": n, **_times(t)} for n, t in sorted(made.by_subject.items())],
        "places": [
            {"code": code, "name": name(code), "people": people, **_times(times)}
            for code, (times, people) in sorted(made.by_place.items())
        ],
        "excluded": [
            {"rule": e.rule, "code": e.code, "title": e.title, "title_en": e.title_en, "records": e.records}
            for e in made.excluded
        ],
        "rules": [
            {
                "id": u.id,
                "first_day": u.first_day,
                "last_day": u.last_day,
                "says": u.rule.says if u.rule else None,
                "says_en": u.rule.says_en if u.rule else None,
            }
            for u in made.rules
        ],
        "unplaced": made.unplaced,
        "lost": made.lost,
        "killed": made.killed,
    }


def _times(times: Times) -> dict[str, int]:
    return {
        "counted": times.counted,
        "users": times.users,
        "visitors": times.visitors,
        "excluded": times.excluded,
    }


def rules_data(site: Site) -> list[dict[str, Any]]:
    """Every rule with its definition."""
    chosen = site.plugins.settings("usage")["rule"]
    return [
        {
            "id": r.id,
            "active": r.id == chosen,
            "says": r.says,
            "says_en": r.says_en,
            "reasons": [{"code": x.code, "title": x.title, "title_en": x.title_en} for x in r.reasons],
        }
        for _, r in sorted(rules(site).items())
    ]
