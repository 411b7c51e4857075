"""The frozen audience is the set of those who meet the conditions at that moment, to the person."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from keyun.access import system
from keyun.accounts import User
from keyun.exchange import insert_many, update_many
from keyun.regions import contains
from keyun_notices.publishing import frozen
from keyun_notices.publishing.draft import Draft
from keyun_notices.publishing.services import addressed, publish

Push = Any
MEISHAN = "511400"
CODES = ("511402", "511424", "511400", "510185", "510000", None)
PEOPLE = 300


@given(st.sets(st.one_of(st.integers(0, 20_000), st.integers(0, 2**31 - 1)), max_size=200))
def test_packing_loses_and_invents_nobody(ids: set[int]) -> None:
    chunks, bits = frozen.pack(BitMap(ids))
    assert chunks == sorted({i >> 12 for i in ids})
    assert len(bits) == 512 * len(chunks)
    assert set(frozen.unpack(chunks, bits)) == ids


@given(st.sets(st.integers(0, 2**31 - 1), min_size=1, max_size=50), st.data())
def test_the_seal_tells_any_two_sets_apart(ids: set[int], data: Any) -> None:
    other = set(ids) ^ {data.draw(st.integers(0, 2**31 - 1))}
    assert frozen.seal(*frozen.pack(BitMap(ids))) != frozen.seal(*frozen.pack(BitMap(other)))


def crowd(push: Push) -> list[int]:
    """300 accounts; returns their ids."""
    with push.site.writing() as unit:
        rows = [
            {
                "public_id": f"{n:08x}-0000-4000-8000-000000000000",
                "login": f"u{n}",
                "name": f"u{n}",
                "region": CODES[n % len(CODES)],
                "level": n % 4,
                "active": True,
                "mail_wanted": True,
                "created_at": unit.now,
            }
            for n in range(PEOPLE)
        ]
        made = insert_many(unit.session, User, rows, "login")
        unit.record_many(system(), [("user.imported", "user", i, {}) for i in made.values()])
    return sorted(made.values())


LEAVES = st.one_of(
    st.integers(0, 3).map(lambda v: {"attribute": "level", "is": v}),
    st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda v: {"attribute": "level", "in": v}),
    st.tuples(st.integers(0, 3), st.integers(0, 3)).map(
        lambda v: {"attribute": "level", "from": min(v), "to": max(v)}
    ),
    st.lists(st.sampled_from([c for c in CODES if c]), min_size=1, max_size=2).map(
        lambda v: {"attribute": "region", "within": v}
    ),
    st.sampled_from(({"attribute": "kind", "is": "worker"}, {"all": []}, {"any": []})),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda v: {"all": v}),
        st.lists(inner, min_size=1, max_size=3).map(lambda v: {"any": v}),
        inner.map(lambda v: {"not": v}),
    ),
    max_leaves=6,
)


def truth(expression: Any, levels: Any, regions: Any, active: Any) -> Any:
    """Who meets ``expression``, worked out on plain arrays."""
    match expression:
        case {"all": parts}:
            return np.logical_and.reduce(
                [np.ones(len(levels), bool), *(truth(p, levels, regions, active) for p in parts)]
            )
        case {"any": parts}:
            return np.logical_or.reduce(
                [np.zeros(len(levels), bool), *(truth(p, levels, regions, active) for p in parts)]
            )
        case {"not": part}:
            return ~truth(part, levels, regions, active)
        case {"is": "worker"}:
            return levels == 3
        case {"is": value}:
            return levels == value
        case {"in": values}:
            return np.isin(levels, values)
        case {"from": low, "to": high}:
            return (low <= levels) & (levels <= high)
        case {"within": codes}:
            return np.array([r is not None and any(contains(c, r) for c in codes) for r in regions])
    raise AssertionError(expression)


CHANGES = st.lists(
    st.tuples(st.integers(0, PEOPLE - 1), st.integers(0, 3), st.sampled_from(CODES), st.booleans()),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    EXPRESSIONS,
    st.lists(st.sampled_from([c for c in CODES if c] + ["100000"]), min_size=1, max_size=2),
    CHANGES,
)
def test_the_frozen_audience_is_what_plain_arrays_say(
    push: Push, expression: Any, regions: list[str], changes: Any
) -> None:
    if not push.people:
        push.people.update({f"u{n}": i for n, i in enumerate(crowd(push))})
    ids = np.array(list(push.people.values()))
    with push.site.writing() as unit:
        rows = {n: {"id": int(ids[n]), "level": v, "region": c, "active": a} for n, v, c, a in changes}
        update_many(unit.session, User, list(rows.values()))
        unit.record_many(system(), [("user.changed", "user", r["id"], {}) for r in rows.values()])
        # The same transaction changes people and publishes.
        where = (
            {"any": [{"attribute": "region", "within": regions}]} if "100000" not in regions else {"all": []}
        )
        known = unit.session.execute(sa.select(User.level, User.region, User.active).order_by(User.id)).all()
        levels, places, active = (np.array(c, dtype=object) for c in zip(*known, strict=True))
        meets = truth({"all": [where, expression]}, levels.astype(int), places, active)
        expected = set(ids[meets & active.astype(bool)].tolist())
        number = push.__dict__.setdefault("number", 0)
        push.__dict__["number"] = number + 1
        notice = publish(
            system(), unit, Draft(f"n{number}", title="t", regions=tuple(regions), audience=expression)
        )
        assert set(addressed(unit, notice)) == expected
        assert notice.addressed == len(expected)


def test_while_people_change_the_set_is_that_of_one_moment(push: Push) -> None:
    ids = crowd(push)
    with push.site.writing() as unit:
        unit.session.execute(sa.update(User).values(level=0))
        unit.record_many(system(), [("user.changed", "user", i, {}) for i in ids])
    stop = threading.Event()

    def rise() -> None:
        # Everybody rises once, and nobody falls: so sets of later moments hold those of earlier ones.
        for number in ids:
            with push.site.writing() as unit:
                unit.session.execute(sa.update(User).where(User.id == number).values(level=3))
                unit.record("user.changed", "user", number, system())
            if stop.is_set():
                return

    thread = threading.Thread(target=rise)
    thread.start()
    try:
        for n in range(12):
            high = sa.select(User.id).where(User.level == 3)
            with push.site.writing() as unit:
                before = set(unit.session.scalars(high))
                notice = publish(
                    system(),
                    unit,
                    Draft(f"n{n}", title="t", regions=("100000",), audience={"attribute": "level", "is": 3}),
                )
                found = set(addressed(unit, notice))
                after = set(unit.session.scalars(high))
            assert before <= found <= after
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("number", [1, 4095, 4096, 4097, 123_456])
def test_the_database_finds_the_bit_of_every_id(push: Push, number: int) -> None:
    notice = push.publish()
    with push.site.writing() as unit:
        frozen.drop(unit.session, notice.id)
        frozen.freeze(unit.session, notice.id, BitMap([number]))
    from keyun_notices.inbox.membership import was_addressed

    with push.site.reading() as unit:
        near = range(max(0, number - 9), number + 10)
        assert [n for n in near if was_addressed(unit, n, notice.id)] == [number]
