"""Import how many people live where; the same region and day again changes the figure."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from keyun.access import Actor
from keyun.db import is_sqlite
from keyun.exchange import Importer, Row, RowError, Written
from keyun.forms import load
from keyun.uow import UnitOfWork
from keyun_notices.reach.models import Population
from keyun_notices.reach.schemas import PopulationRow

PERMISSION = "core.import.run"
BUNDLED = "population_sichuan_2020.csv"


def importers() -> tuple[Importer, ...]:
    """What this part of the plugin can import."""
    return (Importer("population", "常住人口", PopulationRow, write, PERMISSION, key="entry"),)


def write(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write one chunk; a row of an unknown region comes back as an error."""
    unit.require(actor, PERMISSION)
    errors = [
        RowError(number, f"地区 {row['code']} 不存在 (unknown region)", row)
        for number, row in rows
        if row["code"] not in unit.site.regions
    ]
    good = [row for _, row in rows if row["code"] in unit.site.regions]
    new = _write(unit, good)
    return Written(new, len(good) - new, errors)


def load_bundled(actor: Actor, unit: UnitOfWork) -> int:
    """Bring in the figures that ship with the plugin; returns how many."""
    unit.require(actor, PERMISSION)
    text = (files("keyun_notices") / "data" / BUNDLED).read_text(encoding="utf-8")
    rows = [load(PopulationRow(), r) for r in csv.DictReader(text.splitlines())]
    _write(unit, [r for r in rows if r["code"] in unit.site.regions])
    return len(rows)


def _write(unit: UnitOfWork, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert or change; returns how many are new."""
    if not rows:
        return 0
    place = sa.tuple_(Population.region, Population.on)
    keys = [(r["code"], r["on"]) for r in rows]
    known = (
        unit.session.scalar(sa.select(sa.func.count()).select_from(Population).where(place.in_(keys))) or 0
    )
    insert = (sqlite.insert if is_sqlite(unit.session) else postgresql.insert)(Population)
    change = insert.on_conflict_do_update(
        index_elements=["region", "on"],
        set_={"people": insert.excluded.people, "source": insert.excluded.source},
    )
    values = [{"region": r["code"], **{k: r[k] for k in ("on", "people", "source")}} for r in rows]
    unit.session.execute(change, values)
    return len(rows) - known
