"""Import what is known of many people at once: birth year, rank of title, interests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from keyun.access import Actor
from keyun.accounts import User
from keyun.exchange import Importer, Row, RowError, Written, insert_many, known_ids
from keyun.uow import UnitOfWork
from keyun_notices.people.models import Interest, Profile
from keyun_notices.people.schemas import ProfileRow
from keyun_notices.people.services import refusals

PERMISSION = "core.import.run"


def importers() -> tuple[Importer, ...]:
    """What this part of the plugin can import."""
    return (Importer("people-profiles", "人员资料", ProfileRow, write_profiles, PERMISSION, key="user"),)


def write_profiles(actor: Actor, unit: UnitOfWork, rows: Sequence[tuple[int, Row]]) -> Written:
    """Write the profiles of people who were imported as users before.

    What a row leaves empty keeps what is known; interests are replaced by those of the row.
    """
    unit.require(actor, PERMISSION)
    users = known_ids(unit.session, User, {r["user"] for _, r in rows})
    known = _known(unit, list(users.values()))
    good: dict[int, Row] = {}
    errors: list[RowError] = []
    for number, row in rows:
        user_id = users.get(row["user"])
        reasons = _reasons(unit, row, known.get(user_id or 0), user_id)
        if user_id is None or reasons:
            errors.append(RowError(number, "; ".join(reasons), row))
        else:
            good[user_id] = row
    created = _profiles(unit, good, known)
    _interests(unit, good)
    unit.record_many(actor, [("profile.changed", "user", i, {}) for i in good])
    return Written(created, len(good) - created, errors)


def _known(unit: UnitOfWork, ids: Sequence[int]) -> dict[int, tuple[int | None, int | None]]:
    """Birth year and title by user id."""
    query = sa.select(Profile.user_id, Profile.birth_year, Profile.title).where(Profile.user_id.in_(ids))
    return {row[0]: (row[1], row[2]) for row in unit.session.execute(query)}


def _reasons(
    unit: UnitOfWork, row: Row, known: tuple[int | None, int | None] | None, user_id: int | None
) -> list[str]:
    if user_id is None:
        return [f"用户 {row['user']} 不存在，请先导入用户 (unknown user: import users first)"]
    year = row["birth_year"] if row["birth_year"] is not None or known is None else known[0]
    return list(refusals({**row, "birth_year": year}, unit.today).values())


def _profiles(
    unit: UnitOfWork, rows: Mapping[int, Row], known: Mapping[int, tuple[int | None, int | None]]
) -> int:
    """Insert and update in bulk; returns how many were new."""
    values: list[dict[str, Any]] = []
    for user_id, row in rows.items():
        year, title = known.get(user_id, (None, None))
        values.append(
            {
                "user_id": user_id,
                "birth_year": year if row["birth_year"] is None else row["birth_year"],
                "title": title if row["title"] is None else row["title"],
                "changed_at": unit.now,
            }
        )
    insert_many(unit.session, Profile, [v for v in values if v["user_id"] not in known])
    old = [v for v in values if v["user_id"] in known]
    if old:
        unit.session.execute(sa.update(Profile), old)
    return len(values) - len(old)


def _interests(unit: UnitOfWork, rows: Mapping[int, Row]) -> None:
    """Replace the interests of those whose row names some."""
    named = {u: r["interests"] for u, r in rows.items() if r["interests"]}
    unit.session.execute(sa.delete(Interest).where(Interest.user_id.in_(list(named))))
    insert_many(unit.session, Interest, [{"user_id": u, "topic": t} for u, ts in named.items() for t in ts])
