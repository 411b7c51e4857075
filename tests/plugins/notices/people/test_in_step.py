"""The resident people follow every change: in this process, in another one, within a transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyun.access import system
from keyun.accounts import User, actor_for, change_profile, verify_user
from keyun.accounts.personal import erase
from keyun.accounts.services import deactivate_user
from keyun.db import is_sqlite
from keyun.exchange import run
from keyun.site import Site
from keyun.testing import MakeSite, make_user
from keyun.uow import UnitOfWork
from keyun_marketplace.services import save_profile as save_person
from keyun_notices.audience.evaluate import People
from keyun_notices.people import build, store, upkeep
from keyun_notices.people import resident as residence
from keyun_notices.people.resident import Live, resident
from keyun_notices.people.services import save_profile

REGIONS = ["511402", "511424", "510104", "510185"]


def same(have: People, want: People) -> bool:
    return have.universe == want.universe and all(
        {v: list(b) for v, b in have.values[n].items()} == {v: list(b) for v, b in want.values[n].items()}
        for n in want.values
    )


def fresh(unit: UnitOfWork) -> People:
    return build.build(unit.session, resident(unit.site).attributes)


def in_step(*sites: Site) -> bool:
    for site in sites:
        with site.reading() as unit:
            if not same(resident(site).people(unit), fresh(unit)):
                return False
    return True


def somebody(unit: UnitOfWork, number: int) -> User | None:
    users = unit.session.scalars(sa.select(User).where(User.active.is_(True)).order_by(User.id)).all()
    return users[number % len(users)] if users else None


def register(unit: UnitOfWork, n: int) -> None:
    make_user(unit, f"r{uuid.uuid4().hex}", region=REGIONS[n % 4], level=n % 4)


def move(unit: UnitOfWork, n: int) -> None:
    if user := somebody(unit, n):
        change_profile(actor_for(user), unit, user, {"name": user.name, "region": REGIONS[n % 4]})


def verify(unit: UnitOfWork, n: int) -> None:
    if user := somebody(unit, n):
        verify_user(system(), unit, user, n % 4)


def close(unit: UnitOfWork, n: int) -> None:
    if user := somebody(unit, n):
        deactivate_user(system(), unit, user)


def leave(unit: UnitOfWork, n: int) -> None:
    if user := somebody(unit, n):
        erase(system(), unit, user)


def state_profile(unit: UnitOfWork, n: int) -> None:
    if user := somebody(unit, n):
        interests = ["茶叶", "柑橘", "气象"][: n % 4]
        said = {"birth_year": 1980 + n % 5 if n % 3 else None, "title": n % 5 or None, "interests": interests}
        save_profile(actor_for(user), unit, said)


def state_person(unit: UnitOfWork, n: int) -> None:
    if user := somebody(unit, n):
        save_person(
            actor_for(user), unit, {"title": ["教授", "农艺师"][n % 2], "discipline": ["茶学", ""][n % 2]}
        )


ACTIONS = [register, move, verify, close, leave, state_profile, state_person]
STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 30)), min_size=1, max_size=6)


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site("notices", "marketplace")


@pytest.fixture
def other(make_site: MakeSite, site: Site) -> Site:
    """What another process on the same instance is."""
    return make_site(instance=site.runtime.instance)


@given(STEPS, st.integers(1, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_after_any_changes_every_process_has_what_sql_has(
    site: Site, other: Site, steps: list[tuple[Callable[[UnitOfWork, int], None], int]], at_once: int
) -> None:
    while steps:
        with site.writing() as unit:
            for step, number in steps[:at_once]:
                step(unit, number)
            # Who publishes in this transaction sees the changes of this transaction.
            assert same(resident(site).people(unit), fresh(unit))
        steps = steps[at_once:]
        assert in_step(site, other)


@given(STEPS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_was_rolled_back_leaves_no_trace(
    site: Site, steps: list[tuple[Callable[[UnitOfWork, int], None], int]]
) -> None:
    with site.writing() as unit:
        register(unit, 1)
    assert in_step(site)
    with pytest.raises(ZeroDivisionError), site.writing() as unit:
        for step, number in steps:
            step(unit, number)
        assert same(resident(site).people(unit), fresh(unit))
        raise ZeroDivisionError
    assert in_step(site)
    with site.writing() as unit:
        register(unit, 2)
    assert in_step(site)


def imported(site: Site, folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
    report = run(site, site.importers[name], path, system())
    assert not report.failed, report


def test_imports_are_seen(site: Site, other: Site, tmp_path: Path) -> None:
    assert in_step(site, other)
    organization = {"external_id": "o1", "name": "甲", "kind": "society", "region": "511402"}
    imported(
        site, tmp_path, "organizations", [organization, organization | {"external_id": "o2", "name": "乙"}]
    )
    users = [
        {
            "external_id": f"e{n}",
            "login": f"user{n}",
            "name": f"人{n}",
            "region": REGIONS[n % 4],
            "level": n % 4,
        }
        for n in range(1, 30)
    ]
    imported(site, tmp_path, "users", users)
    assert in_step(site, other)
    imported(site, tmp_path, "users", [u | {"organization": "o1"} for u in users[:9]])
    assert in_step(site, other)
    with site.reading() as unit:
        known = resident(site).people(unit).values["organization-kind"]
    assert {v: len(who) for v, who in known.items()} == {"society": 9}
    imported(site, tmp_path, "organizations", [organization | {"kind": "park"}])
    assert in_step(site, other)
    rows = [{"user": f"e{n}", "birth_year": 1980 + n, "interests": "茶叶，柑橘"} for n in range(1, 20)]
    imported(site, tmp_path, "people-profiles", rows)
    imported(site, tmp_path, "people", [{"user": "e3", "title": "教授", "discipline": "茶学"}])
    assert in_step(site, other)


def test_what_is_not_settled_yet_is_seen_once_it_is_committed(site: Site) -> None:
    with site.writing() as unit:
        first, second = make_user(unit, "one"), make_user(unit, "two")
        if is_sqlite(unit.session):
            pytest.skip("SQLite has one writer")
    assert in_step(site)
    live = resident(site)
    with site.writing() as slow:
        slow.session.get_one(User, first.id).region = "510104"
        slow.record("user.changed", "user", first.id, system())
        slow.session.flush()
        with site.writing() as quick:
            quick.session.get_one(User, second.id).region = "510185"
            quick.record("user.changed", "user", second.id, system())
        with site.reading() as unit:
            people = live.people(unit)
            assert list(people.having("region", ["510185"])) == [second.id]
            assert not people.having("region", ["510104"])
            assert live.people(unit) is not None
    with site.reading() as unit:
        assert list(live.people(unit).having("region", ["510104"])) == [first.id]
    assert in_step(site)


def test_far_behind_means_reading_anew_and_is_still_exact(
    site: Site, other: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residence, "MOST_UNREAD", 3)
    assert in_step(site, other)
    with site.writing() as unit:
        for n in range(9):
            register(unit, n)
        assert same(resident(site).people(unit), fresh(unit))
    assert in_step(site, other)
    with site.writing() as unit:
        move(unit, 1)
    assert in_step(site, other)


# The file -----------------------------------------------------------------------------------------------


@pytest.fixture
def saved(site: Site) -> Live:
    with site.writing() as unit:
        for n in range(8):
            register(unit, n)
            state_profile(unit, n)
    live = resident(site)
    live.rebuild()
    return live


def test_another_process_starts_from_the_file(
    saved: Live, other: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with saved.site.writing() as unit:
        move(unit, 2)
        register(unit, 3)

    def refuse(*_: object) -> People:
        raise AssertionError("everybody was read from the database")

    live = resident(other)
    with other.reading() as unit:
        want = fresh(unit)
        monkeypatch.setattr(build, "build", refuse)
        assert same(live.people(unit), want)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "gone", "garbage"])
def test_a_damaged_file_is_no_obstacle(saved: Live, other: Site, damage: str) -> None:
    name = store.current(saved.folder)
    assert name is not None
    path = saved.folder / name
    content = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[:-3])
        case "flipped":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case _:
            path.write_bytes(b'{"format": 1}\nxx')
    assert in_step(other)
    upkeep.save_if_due(other)
    with other.reading() as unit:
        assert resident(other).saved(unit.session) is not None


def test_a_file_of_other_attributes_or_of_another_database_is_not_used(saved: Live, other: Site) -> None:
    with other.reading() as unit:
        live = resident(other)
        note = live.saved(unit.session)
        assert note is not None
        people = saved.people(unit)
        for wrong in (
            store.Note(note.definition + 1, note.origin, note.cursor, note.mark),
            store.Note(note.definition, note.origin, note.cursor, "2001-01-01T00:00:00+00:00"),
        ):
            store.write(live.folder, People(people.universe - people.universe, people.values), wrong)
            assert live.saved(unit.session) is None
            assert same(live.people(unit), fresh(unit))


def test_the_worker_saves_after_so_many_changes(make_site: MakeSite, settled: Callable[[Site], None]) -> None:
    site = make_site("notices", config={"plugin": {"notices": {"save_after": 3}}})
    live = resident(site)

    def name() -> str | None:
        upkeep.save_if_due(site)
        return store.current(live.folder)

    first = name()
    assert first is not None
    with site.writing() as unit:
        register(unit, 1)
    assert name() == first
    with site.reading() as unit:
        assert upkeep.lag(site, unit).events == 1
    with site.writing() as unit:
        register(unit, 2)
        move(unit, 1)
    settled(site)
    assert name() != first
    with site.reading() as unit:
        assert upkeep.lag(site, unit).events == 0
    assert in_step(site)
    assert len(list(live.folder.glob("*.people"))) <= 2


def test_a_rebuild_is_taken_over_by_running_processes(saved: Live, other: Site) -> None:
    assert in_step(saved.site, other)
    with saved.site.writing() as unit:
        unit.session.execute(sa.update(User).values(level=3))
    assert not in_step(other)
    assert saved.rebuild() == 8
    assert in_step(saved.site, other)


def test_threads_share_one_picture(saved: Live) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def look(n: int) -> bool:
        if n % 3 == 0:
            with saved.site.writing() as unit:
                move(unit, n)
        with saved.site.reading() as unit:
            people = saved.people(unit)
            return sum(len(who) for who in people.values["region"].values()) == len(people.universe) == 8

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(look, range(24)))
    assert in_step(saved.site)
