"""Bulk statements do on both databases what single rows would."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from keyun.accounts import Organization
from keyun.bulk import insert_many, known, known_rows, update_many
from keyun.events.models import Event
from keyun.site import Site
from keyun.uow import UnitOfWork

MakeSite = Callable[..., Site]


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


def rows(unit: UnitOfWork, count: int) -> list[dict[str, Any]]:
    return [
        {
            "public_id": f"p-{i}",
            "external_id": f"o-{i}",
            "name": f"名称 '{i}' \\ \"",
            "kind": "park",
            "uscc": None,
            "summary": "",
            "verified": i % 2 == 0,
            "created_at": unit.now,
        }
        for i in range(count)
    ]


def test_rows_are_stored_as_they_were_given(site: Site) -> None:
    with site.writing() as unit:
        given = rows(unit, 5)
        ids = insert_many(unit.session, Organization, given, key="external_id")
        assert insert_many(unit.session, Organization, []) == {}
    with site.reading() as unit:
        for row in given:
            stored = unit.session.get_one(Organization, ids[row["external_id"]])
            assert {k: getattr(stored, k) for k in row} == row
            assert stored.region is None


def test_moments_and_json_survive(site: Site) -> None:
    moment = dt.datetime(2027, 3, 1, 16, 30, 0, 123456, dt.timezone(dt.timedelta(hours=8)))
    data = {"words": ["一", "二"], "none": None, "deep": {"n": 1.5, "yes": True}}
    row = {"transaction": 0, "at": moment, "name": "x", "subject_type": "y", "subject_id": 1, "data": data}
    with site.writing() as unit:
        assert insert_many(unit.session, Event, [row]) == {}
    with site.reading() as unit:
        event = unit.session.scalars(sa.select(Event)).one()
        assert (event.at, event.data, event.actor_id) == (moment, data, None)


def test_a_column_that_may_not_be_empty_is_missed_on_every_database(site: Site) -> None:
    with (
        pytest.raises(ValueError, match="core_organization: name, summary may not be empty"),
        site.writing() as unit,
    ):
        short = [{k: v for k, v in r.items() if k not in ("name", "summary")} for r in rows(unit, 1)]
        insert_many(unit.session, Organization, short)


def test_what_is_known_is_found_by_its_key(site: Site) -> None:
    with site.writing() as unit:
        ids = insert_many(unit.session, Organization, rows(unit, 3), key="external_id")
        asked = ["o-0", "o-2", "o-9", None, "", "o-0"]
        session, key = unit.session, Organization.external_id
        assert known(session, key, Organization.id, asked) == {"o-0": ids["o-0"], "o-2": ids["o-2"]}
        assert known(session, key, Organization.id, asked, Organization.verified.is_(False)) == {}
        found = known_rows(session, key, [Organization.id, Organization.kind], ["o-1"])
        assert found == {"o-1": {"id": ids["o-1"], "kind": "park"}}
        assert known(session, key, Organization.id, []) == {}


def test_many_rows_change_at_once(site: Site) -> None:
    with site.writing() as unit:
        ids = insert_many(unit.session, Organization, rows(unit, 4), key="external_id")
        change = [{"id": ids[f"o-{i}"], "name": f"neu {i}", "uscc": None} for i in (1, 3)]
        update_many(unit.session, Organization, change, {"kind": Organization.kind + "!"})
        update_many(unit.session, Organization, [])
    with site.reading() as unit:
        found = {o.external_id: (o.name, o.kind) for o in unit.session.scalars(sa.select(Organization))}
    assert found["o-1"] == ("neu 1", "park!")
    assert found["o-3"] == ("neu 3", "park!")
    assert found["o-0"][1] == "park"
