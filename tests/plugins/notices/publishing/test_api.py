"""Publishing and cancelling for programs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from flask import Flask

from keyun.accounts import User, create_token
from keyun.testing import MakeApp, browse

Push = Any
DRAFT = {"key": "k1", "title": "领取种子", "regions": ["511400"]}


@pytest.fixture
def app(town: Push, make_app: MakeApp) -> Flask:
    """The web application of the town."""
    return make_app(site=town.site)


def post(town: Push, app: Flask, login: str, path: str, body: Any) -> Any:
    """The answer to ``body`` from the program of ``login``."""

    def make(unit: Any) -> str:
        return create_token(town.actor(login), unit, unit.session.get_one(User, town.people[login]), "t")

    key = {"Authorization": f"Bearer {town.writing(make)}"}
    text = json.dumps(body)
    return browse(app).post(f"/api/v1/notices{path}", data=text, headers=key, content_type="application/json")


def test_a_program_publishes_once_with_one_key(town: Push, app: Flask) -> None:
    first = post(town, app, "staff", "/", DRAFT)
    assert first.status_code == 201 and first.json["addressed"] == 3
    assert post(town, app, "staff", "/", DRAFT).json["id"] == first.json["id"]
    assert post(town, app, "staff", "/", DRAFT | {"title": "别的"}).status_code == 409
    assert town.inbox("an") == ["k1"]


def test_readers_cannot_publish(town: Push, app: Flask) -> None:
    assert post(town, app, "an", "/", DRAFT).status_code == 403
    assert browse(app).post("/api/v1/notices/", json=DRAFT).status_code in (401, 403)


def test_a_file_comes_along(town: Push, app: Flask) -> None:
    files = [{"name": "a.pdf", "content": base64.b64encode(b"%PDF-1.4").decode()}]
    assert post(town, app, "staff", "/", DRAFT | {"attachments": files}).status_code == 201
    wrong = [{"name": "a.pdf", "content": "***"}]
    assert post(town, app, "staff", "/", DRAFT | {"key": "k2", "attachments": wrong}).status_code == 422


def test_a_program_cancels_what_it_sent(town: Push, app: Flask) -> None:
    sent = post(town, app, "staff", "/", DRAFT).json["id"]
    note = post(town, app, "staff", f"/{sent}/cancel", {"body": "结束"})
    assert note.status_code == 201 and note.json["kind"] == "cancel"
    assert town.inbox("an") == ["cancel:k1"]


@pytest.mark.parametrize(
    "more",
    [
        {"key": ""},
        {"key": "a b"},
        {"regions": ["51140"]},
        {"audience": {"attribute": "level", "is": 10**30}},
        {"audience": {"attribute": "interests", "in": ["\ud800"]}},
        {"audience": []},
        {"starts_at": "0001-01-01T00:00:00+14:00"},
        {"expires_at": "9999-12-31T23:59:59-14:00"},
        {"unknown": 1},
        {"organization": "x"},
    ],
)
def test_no_input_is_an_error_of_the_server(town: Push, app: Flask, more: Any) -> None:
    answer = post(town, app, "staff", "/", DRAFT | more)
    assert answer.status_code == 422, answer.get_data(as_text=True)


def test_a_body_without_an_end_of_depth_is_refused(town: Push, app: Flask) -> None:
    def make(unit: Any) -> str:
        return create_token(town.actor("staff"), unit, unit.session.get_one(User, town.people["staff"]), "t")

    deep = (
        '{"key":"a","title":"t","regions":["511400"],"audience":' + '{"not":' * 20_000 + "{}" + "}" * 20_001
    )
    headers = {"Authorization": f"Bearer {town.writing(make)}", "Content-Type": "application/json"}
    assert browse(app).post("/api/v1/notices/", data=deep, headers=headers).status_code in (400, 422)
