"""The same audience in SQL: the same people as the bitmaps, and no index where reading all is quicker."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyun.accounts import User
from keyun.db import is_sqlite
from keyun.site import Site
from keyun.testing import MakeSite, make_organization, make_user
from keyun.uow import UnitOfWork
from keyun_marketplace.models import Person
from keyun_notices.audience import expression as ex
from keyun_notices.audience.facts import meets
from keyun_notices.audience.sql import condition
from keyun_notices.people.models import Interest, Profile
from keyun_notices.people.resident import resident

REGIONS = ["511402", "511403", "511424", "510104", "510185", "500101", "140471", "320571", "320576", None]
FIELDS = ["茶学", "园艺与果树", None]
TOPICS = ["茶叶", "柑橘", "气象"]
SUBTREES = [
    "511400",
    "511402",
    "510000",
    "510100",
    "500000",
    "100000",
    "140471",
    "320571",
    "320500",
    "140400",
]
DAYS = st.none() | st.sampled_from([dt.date(2001, 1, 1), dt.date(2026, 1, 1)])

LEAVES = st.one_of(
    st.builds(ex.Between, st.just("level"), st.integers(-1, 4)),
    st.builds(ex.Is, st.just("kind"), st.sampled_from(["worker", "citizen", "?"])),
    st.builds(
        ex.In, st.just("organization-kind"), st.sampled_from([("enterprise",), ("university", "society")])
    ),
    st.builds(
        ex.Between, st.just("birth-year"), st.integers(1979, 1983), st.none() | st.integers(1979, 1983)
    ),
    st.builds(ex.Between, st.just("title"), st.integers(1, 5)),
    st.builds(ex.In, st.just("interests"), st.lists(st.sampled_from(TOPICS), min_size=1).map(tuple)),
    st.builds(ex.Is, st.just("marketplace.discipline"), st.sampled_from(["茶学", "园艺与果树"])),
    st.builds(ex.In, st.just("marketplace.title"), st.sampled_from([("教授",), ("副教授", "教授")])),
    st.builds(
        ex.Within,
        st.just("region"),
        st.lists(st.sampled_from(SUBTREES), min_size=1, max_size=3).map(tuple),
        DAYS,
    ),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(ex.All, st.lists(inner, max_size=3).map(tuple)),
        st.builds(ex.Any, st.lists(inner, max_size=3).map(tuple)),
        st.builds(ex.Not, inner),
    ),
    max_leaves=8,
)


def populate(unit: UnitOfWork) -> None:
    """People of every kind, a fifth of them gone, some of whom nothing is known."""
    organizations = [
        make_organization(unit, f"单位{n}", kind=k)
        for n, k in enumerate(["enterprise", "university", "society"])
    ]
    for n in range(60):
        member = [organizations[n % 3], organizations[(n + 1) % 3]][: n % 3]
        more = {"active": n % 5 != 4, "level": n % 4, "region": REGIONS[n % 10]}
        user = make_user(unit, f"u{n}", organizations=member, **more)  # type: ignore[arg-type]
        if n % 4:
            year, title = (1979 + n % 5) if n % 3 else None, 1 + n % 5 if n % 7 else None
            unit.session.add(Profile(user_id=user.id, birth_year=year, title=title, changed_at=unit.now))
        unit.session.add_all(Interest(user_id=user.id, topic=t) for t in TOPICS[: n % 4])
        if n % 3 == 0:
            title_ = ["教授", "副教授", ""][n % 9 // 3]
            unit.session.add(
                Person(user_id=user.id, discipline=FIELDS[n % 3], title=title_, changed_at=unit.now)
            )


@pytest.fixture
def site(make_site: MakeSite) -> Iterator[Site]:
    site = make_site("notices", "marketplace")
    with site.writing() as unit:
        populate(unit)
    yield site


def by_sql(unit: UnitOfWork, e: ex.Expression, root: str) -> list[int]:
    live, places = resident(unit.site), unit.site.regions
    asked = condition(e, live.attributes, places, unit.today, root)
    return list(unit.session.scalars(sa.select(User.id).where(asked).order_by(User.id)))


def test_sql_and_bitmaps_find_the_same_people(site: Site) -> None:
    with site.reading() as unit:
        live = resident(site)
        some = [live.facts(unit, n) for n in range(1, 61, 7)]

        @given(EXPRESSIONS, st.sampled_from(["", "510000"]))
        @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        def agree(e: ex.Expression, root: str) -> None:
            found = list(live.matching(unit, e))
            assert found == by_sql(unit, e, root)
            met = [f.user_id for f in some if meets(e, f, site.regions, unit.today)]
            assert met == [f.user_id for f in some if f.user_id in found]

        agree()


def test_one_persons_facts_are_the_same_from_sql_and_from_the_bitmaps(site: Site) -> None:
    with site.reading() as unit:
        live = resident(site)
        people = live.people(unit)
        for user_id in unit.session.scalars(sa.select(User.id).where(User.active.is_(True))):
            assert live.facts(unit, user_id) == people.facts(user_id)
        assert not live.facts(unit, 5).active and not live.facts(unit, 4711).active


def plan(unit: UnitOfWork, data: object, root: str) -> str:
    live = resident(unit.site)
    asked = condition(ex.parse(data, live.attributes), live.attributes, unit.site.regions, unit.today, root)
    query = sa.select(sa.func.count()).select_from(User).where(asked)
    text = str(query.compile(unit.session.connection(), compile_kwargs={"literal_binds": True}))
    return " ".join(row[3] for row in unit.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))


def test_a_region_that_covers_the_deployment_takes_no_index(site: Site) -> None:
    with site.reading() as unit:
        if not is_sqlite(unit.session):
            pytest.skip("PostgreSQL chooses by its statistics")
        province = {"attribute": "region", "within": ["510000"]}
        county = {"attribute": "region", "within": ["511402"]}
        assert "ix_core_user_region" in plan(unit, province, "")
        assert "ix_core_user_region" not in plan(unit, province, "510000")
        assert "ix_core_user_region" not in plan(
            unit, {"attribute": "region", "within": ["100000"]}, "510000"
        )
        assert "ix_core_user_region" in plan(unit, county, "510000")
