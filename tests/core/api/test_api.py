"""The API of the core, as a program meets it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

import keyun.models  # noqa: F401 - fills the metadata for the walk over personal columns
from keyun.access import system
from keyun.accounts import create_token
from keyun.content import Content, withdraw
from keyun.db import Model
from keyun.search import rebuild
from keyun.site import Site
from keyun.testing import Browser, browse, make_organization, make_user

MakeSite = Callable[..., Site]
Write = Callable[..., Content]
KeyOf = Callable[..., dict[str, str]]
MakeApp = Callable[..., Flask]


def test_a_visitor_reads_types_places_and_content(
    make_site: MakeSite, make_app: MakeApp, write: Write
) -> None:
    site = make_site("popsci")
    with site.writing() as unit:
        item = write(unit, "怎样识别黄龙病", summary="看叶片")
    client = browse(make_app(site=site))
    assert [t["name"] for t in client.get("/api/v1/types").get_json()["items"]] == ["popsci.article"]
    found = client.get("/api/v1/content").get_json()
    assert [i["title"] for i in found["items"]] == ["怎样识别黄龙病"]
    assert found["next"] is None
    one = client.get(f"/api/v1/content/{item.public_id}").get_json()
    assert one["body"] == "正文"
    assert one["region_name"] == "四川省眉山市东坡区"
    assert client.get(one["page"]).status_code == 200


def test_the_content_list_follows_type_and_region(
    make_site: MakeSite, make_app: MakeApp, write: Write
) -> None:
    site = make_site("popsci")
    with site.writing() as unit:
        write(unit, "东坡的", region="511402")
        write(unit, "成都的", region="510100")
    client = browse(make_app(site=site))

    def titles(**query: str) -> list[str]:
        return [i["title"] for i in client.get("/api/v1/content", query_string=query).get_json()["items"]]

    assert titles(region="511400") == ["东坡的"]
    assert titles(region="510000", type="popsci.article") == ["成都的", "东坡的"]
    assert client.get("/api/v1/content?type=marketplace.offer").status_code == 404
    assert client.get("/api/v1/content?region=999999").get_json()["errors"].keys() == {"region"}


def test_drafts_and_withdrawn_items_are_not_there(
    make_site: MakeSite, make_app: MakeApp, write: Write
) -> None:
    site = make_site("popsci")
    with site.writing() as unit:
        item = write(unit, "曾经公开")
        withdraw(system(), unit, item)
    client = browse(make_app(site=site))
    assert client.get("/api/v1/content").get_json()["items"] == []
    assert client.get(f"/api/v1/content/{item.public_id}").status_code == 404


def test_search_marks_what_matched(make_site: MakeSite, make_app: MakeApp, write: Write) -> None:
    site = make_site("popsci")
    with site.writing() as unit:
        write(unit, "柑橘黄龙病如何识别", body="看叶片是否斑驳黄化")
    rebuild(site)
    found = browse(make_app(site=site)).get("/api/v1/search?q=黄龙病&limit=5").get_json()
    assert found["total"] == 1
    (hit,) = found["items"]
    assert hit["item"]["title"] == "柑橘黄龙病如何识别"
    assert "".join(r["text"] for r in hit["title"]) == "柑橘黄龙病如何识别"
    assert any(r["match"] for r in hit["title"])


def test_a_retired_code_leads_to_its_successor_and_says_so(client: Browser) -> None:
    found = client.get("/api/v1/regions/320571").get_json()
    assert found["place"]["code"] == "320576"
    assert "320571" in found["note"]
    assert client.get("/api/v1/regions/511402?on=2026-01-01").get_json()["note"] == ""
    assert [p["code"] for p in client.get("/api/v1/regions/511402").get_json()["path"]] == [
        "510000",
        "511400",
        "511402",
    ]
    assert "511402" in {p["code"] for p in client.get("/api/v1/regions/511400/children").get_json()["items"]}
    for path in ("/api/v1/regions/999999", "/api/v1/regions/abcdef/children"):
        assert client.get(path).status_code == 404


def test_a_key_opens_what_its_user_may_and_shows_no_name(
    make_site: MakeSite, make_app: MakeApp, key_of: KeyOf
) -> None:
    site = make_site()
    key = key_of(site, level=2, roles=[("editor", "511400")])
    client = browse(make_app(site=site))
    answer = client.get("/api/v1/me", headers=key)
    assert answer.get_json()["level"] == 2
    assert answer.get_json()["roles"] == [{"role": "editor", "region": "511400"}]
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/api/v1/me").status_code == 401


def test_a_cookie_works_as_well(make_site: MakeSite, make_app: MakeApp) -> None:
    site = make_site()
    with site.writing() as unit:
        user = make_user(unit)
    client = browse(make_app(site=site))
    client.log_in(user)
    assert client.get("/api/v1/me").get_json()["id"] == user.public_id


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_wrong_key_is_refused_instead_of_taken_for_a_visitor(client: Browser) -> None:
    for header in ("Bearer keyun_wrong", "bearer x", "Bearer", "Bearer  "):
        for path in ("/api/v1/types", "/api/v1/me", "/"):
            answer = client.get(path, headers={"Authorization": header})
            assert (path, header, answer.status_code) == (path, header, 401)
            if path.startswith("/api/"):
                assert answer.content_type == "application/problem+json"
                assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_key_of_a_closed_account_opens_nothing(
    make_site: MakeSite, make_app: MakeApp, key_of: KeyOf
) -> None:
    site = make_site()
    key = key_of(site, active=False)
    assert browse(make_app(site=site)).get("/api/v1/me", headers=key).status_code == 401


def test_every_moment_carries_its_offset(make_site: MakeSite, make_app: MakeApp, write: Write) -> None:
    site = make_site("popsci")
    with site.writing() as unit:
        item = write(unit, "有时刻的")
        item.expires_at = unit.now + dt.timedelta(days=9)
    one = browse(make_app(site=site)).get(f"/api/v1/content/{item.public_id}").get_json()
    for name in ("published_at", "changed_at", "expires_at"):
        assert dt.datetime.fromisoformat(one[name]).utcoffset() == dt.timedelta(0)


def personal_columns() -> list[tuple[type[Model], str, str]]:
    """(model, attribute, kind) of every column that says that it holds personal data."""
    found = []
    for mapper in Model.registry.mappers:
        for attribute in mapper.column_attrs:
            kind = attribute.columns[0].info.get("personal")
            if kind and attribute.columns[0].table is mapper.local_table:
                found.append((mapper.class_, attribute.key, kind))
    return found


def test_no_personal_column_stands_in_any_answer(
    make_site: MakeSite, make_app: MakeApp, write: Write
) -> None:
    marks: dict[str, Any] = {
        "login": "lin-marker",
        "name": "无名标记",
        "email": "marker@example.org",
        "phone": "13800009999",
    }
    mine = {key for model, key, _ in personal_columns() if model.__tablename__ == "core_user"}
    assert mine == marks.keys()
    site = make_site("popsci")
    with site.writing() as unit:
        company = make_organization(unit, "示范单位")
        user = make_user(unit, roles=[("admin", "100000")], organizations=[company], **marks)
        key = {"Authorization": f"Bearer {create_token(system(), unit, user, 'test')}"}
        item = write(unit, "示范文章")
        item.owner_id, item.organization_id = user.id, company.id
    rebuild(site)
    app = make_app(site=site)
    client = browse(app)
    answers = [client.get(path, headers=key) for path in every_path(app, item.public_id)]
    # The item has neither a review nor a file.
    missing = [a.request.path for a in answers if a.status_code == 404]
    assert all("/reviews/" in path or "/files/" in path for path in missing)
    assert {a.status_code for a in answers} == {200, 404}
    texts = [a.get_data(as_text=True) for a in answers]
    assert any("示范单位" in t for t in texts)
    assert not [(m, t) for m in marks.values() for t in texts if m in t]
    names = set().union(*(keys_of(a.get_json()) for a in answers))
    assert not names & {"login", "email", "phone", "password_hash", "owner", "owner_id"}


def every_path(app: Flask, public_id: str) -> list[str]:
    """Every GET address of the API, filled in."""
    values = {"code": "511402", "public_id": public_id}
    paths = []
    for rule in app.url_map.iter_rules():
        reads = "GET" in (rule.methods or ())
        if reads and rule.rule.startswith("/api/v1/") and not rule.rule.endswith("/docs"):
            path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", lambda m: values[m[1]], rule.rule)
            paths.append(f"{path}?q=示范" if path.endswith("/search") else path)
    assert len(paths) >= 10
    return paths


def keys_of(value: Any) -> set[str]:
    """Every key in a JSON value, except those of the description itself."""
    if isinstance(value, list):
        return set().union(*(keys_of(v) for v in value)) if value else set()
    if not isinstance(value, dict) or "openapi" in value:
        return set()
    return set(value) | set().union(*(keys_of(v) for v in value.values()))


def test_the_api_has_no_plain_query_that_counts(make_site: MakeSite, make_app: MakeApp, write: Write) -> None:
    site = make_site("popsci")
    with site.writing() as unit:
        for n in range(3):
            write(unit, f"第 {n} 篇")
    client = browse(make_app(site=site))
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(site.runtime.engine, "before_cursor_execute", note)
    assert client.get("/api/v1/content?limit=2").status_code == 200
    selects = [s for s in seen if s.startswith("SELECT")]
    assert len(selects) == 1
    assert "count(" not in selects[0].lower()
