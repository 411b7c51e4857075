"""Pages by key: bounded, and every item exactly once, whatever is added meanwhile."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyun.api.paging import page
from keyun.content import Content
from keyun.errors import Invalid
from keyun.site import Site
from keyun.testing import Browser, Clock, browse

MakeSite = Callable[..., Site]
Write = Callable[..., Content]
MakeApp = Callable[..., Flask]
KEYS: Any = (Content.published_at, Content.id)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(st.booleans(), min_size=1, max_size=12),
    added=st.lists(st.integers(0, 2), max_size=12),
    limit=st.integers(1, 5),
)
def test_paging_meets_every_item_exactly_once_while_items_are_added(
    before: list[bool], added: list[int], limit: int, one_site: Site, clock: Clock
) -> None:
    """``before`` says whether an item shares the moment of the last one; ``added`` what each page brings."""
    site = one_site
    with site.writing() as unit:
        unit.session.execute(sa.delete(Content))
        ids = [_add(unit, clock, same) for same in before]
    seen: list[int] = []
    after: str | None = None
    arrivals = iter(added)
    while True:
        with site.reading() as unit:
            found = page(unit.session, sa.select(Content), KEYS, after=after, limit=limit)
        assert len(found.items) <= limit
        seen += [i.id for i in found.items]
        if found.next is None:
            break
        after = found.next
        with site.writing() as unit:
            for _ in range(next(arrivals, 0)):
                _add(unit, clock, same=False)
    assert len(seen) == len(set(seen))
    assert seen == sorted(ids, reverse=True)


@pytest.fixture
def one_site(make_site: MakeSite) -> Site:
    """One site for all examples."""
    return make_site("popsci")


def _add(unit: Any, clock: Clock, same: bool) -> int:
    from keyun_popsci.models import ARTICLE, Article

    if not same:
        clock.tick(dt.timedelta(microseconds=1))
    now = clock()
    item = Article(
        type=ARTICLE,
        title="题",
        state="published",
        category="life",
        created_at=now,
        changed_at=now,
        published_at=now,
    )
    unit.session.add(item)
    unit.session.flush()
    return item.id


def test_the_last_page_has_no_next(make_site: MakeSite, make_app: MakeApp, write: Write) -> None:
    site = make_site("popsci")
    with site.writing() as unit:
        for n in range(4):
            write(unit, f"第 {n} 篇")
    client = browse(make_app(site=site))
    first = client.get("/api/v1/content?limit=2").get_json()
    last = client.get("/api/v1/content", query_string={"limit": 2, "after": first["next"]}).get_json()
    assert [i["title"] for i in first["items"] + last["items"]] == [f"第 {n} 篇" for n in (3, 2, 1, 0)]
    assert last["next"] is None


def refused(client: Browser, path: str, name: str, value: str, **more: str) -> bool:
    """Whether ``value`` for ``name`` is a 422 that names it."""
    answer = client.get(path, query_string={name: value, **more})
    return answer.status_code == 422 and answer.get_json()["errors"].keys() == {name}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_limit_outside_the_bounds_or_no_whole_number_is_refused(client: Browser) -> None:
    limits = (
        "0",
        "-1",
        "101",
        "1.0",
        "2.6e-42",
        "1e2",
        "1_0",
        "１",
        " ",
        "x",
        "9223372036854775809",
        "9" * 5000,
    )
    assert [v for v in limits if not refused(client, "/api/v1/content", "limit", v)] == []


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_huge_page_number_of_the_search_is_refused(client: Browser) -> None:
    numbers = ("9223372036854775809", "51", "0", "2.6e-42")
    assert [v for v in numbers if not refused(client, "/api/v1/search", "page", v, q="x")] == []


def _cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def test_a_cursor_that_nobody_gave_out_is_refused(client: Browser) -> None:
    moment = "2027-01-01T00:00:00+00:00"
    cursors = (
        "x", "====", "中", "A" * 401, _cursor(1), _cursor("2027-01-01T00:00:00", 1), _cursor("morgen", 1),
        _cursor(moment, 2**31), _cursor(moment, 1.5), _cursor(moment, True),
        _cursor("0001-01-01T00:00:00+14:00", 1),
        _cursor(None, None), base64.urlsafe_b64encode(b"[" * 200).decode(),
    )  # fmt: skip
    assert [c for c in cursors if not refused(client, "/api/v1/content", "after", c)] == []
    assert (
        client.get("/api/v1/content", query_string={"after": _cursor(moment, 2**31 - 1)}).status_code == 200
    )


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: base64.urlsafe_b64encode(b).decode()))
@settings(max_examples=200, deadline=None)
def test_no_cursor_text_causes_another_error(cursor: str) -> None:
    from keyun.api.paging import decode

    try:
        values = decode(cursor, KEYS)
    except Invalid:
        return
    assert len(values) == 2
