"""Errors of the API: one shape for all, nothing of the inside, and what HTTP wants."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, fields

from keyun.access import public
from keyun.api import ApiBlueprint, Whole, operation
from keyun.errors import ConfigError, DatabaseError
from keyun.testing import Browser, browse

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MakeApp = Callable[..., Flask]


class BodySchema(Schema):
    number = Whole(required=True)


class EchoSchema(Schema):
    number = fields.Integer(strict=True)


def with_view(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, view: Callable[..., Any], **more: Any
) -> Any:
    """A browser on a site whose popsci API has the one operation ``/api/v1/popsci/it``."""

    def blueprint(name: str) -> ApiBlueprint:
        api = ApiBlueprint(name, __name__)
        operation(api, "/it", view, EchoSchema, "试 / try", **more)
        return api

    monkeypatch.setattr("keyun_popsci.api.blueprint", blueprint)
    app = make_app("popsci")
    app.testing = False
    return browse(app)


def check(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = answer.get_json()
    assert body["status"] == status
    assert body["type"] and body["title"] and body["detail"]
    assert body["instance"] == answer.headers["X-Request-Id"]
    return body


def test_an_unknown_address_is_a_problem_document_below_api_only(client: Browser) -> None:
    for path in ("/api/v1/nothing", "/api/v9/x", "/api/v1/content/not-a-uuid"):
        check(client.get(path), 404)
    assert client.get("/nothing").content_type.startswith("text/html")


def test_a_wrong_method_names_the_allowed_ones(client: Browser) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = client.open("/api/v1/types", method=method)
        check(answer, 405)
        assert {m.strip() for m in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


def test_refused_arguments_are_named_by_field_and_in_words(client: Browser) -> None:
    body = check(client.get("/api/v1/search?limit=x"), 422)
    assert body["errors"].keys() == {"q", "limit"}
    assert "必填" in body["errors"]["q"][0]


def test_a_fault_shows_nothing_of_the_inside_and_is_logged(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @public
    def broken() -> None:
        raise RuntimeError("the secret is in /etc/keyun")

    with caplog.at_level(logging.ERROR):
        answer = with_view(make_app, monkeypatch, broken).get("/api/v1/popsci/it")
    check(answer, 500)
    assert "secret" not in answer.get_data(as_text=True)
    assert "the secret is in /etc/keyun" in caplog.text


@pytest.mark.parametrize(
    ("error", "status"), [(DatabaseError("host 10.0.0.5"), 503), (ConfigError("/etc/x"), 500)]
)
def test_texts_for_the_operator_stay_inside(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    @public
    def broken() -> None:
        raise error

    answer = with_view(make_app, monkeypatch, broken).get("/api/v1/popsci/it")
    check(answer, status)
    assert str(error) not in answer.get_data(as_text=True)
    assert ("Retry-After" in answer.headers) == (status == 503)


@public
def echo(body: dict[str, Any]) -> dict[str, Any]:
    """Give the number back."""
    return body


def test_only_whole_numbers_count_as_integers(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    client = with_view(make_app, monkeypatch, echo, body=BodySchema, methods=["POST"])
    token = {"X-CSRFToken": client.csrf_token()}
    wrong: tuple[object, ...] = (2.6e-42, 1.0, "1.0", True, "1e1", None, [], {})
    for number in wrong:
        answer = client.post("/api/v1/popsci/it", json={"number": number}, headers=token)
        assert check(answer, 422)["errors"].keys() == {"number"}
    assert client.post("/api/v1/popsci/it", json={"number": 10**30}, headers=token).get_json() == {
        "number": 10**30
    }


def test_a_write_with_a_cookie_needs_the_csrf_token(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = with_view(make_app, monkeypatch, echo, body=BodySchema, methods=["POST"])
    # A program without cookie and key can abuse nobody's session.
    assert client.post("/api/v1/popsci/it", json={"number": 7}).get_json() == {"number": 7}
    token = {"X-CSRFToken": client.csrf_token()}
    body = check(client.post("/api/v1/popsci/it", json={"number": 7}), 400)
    assert "X-CSRFToken" in body["detail"]
    assert client.post("/api/v1/popsci/it", json={"number": 7}, headers=token).get_json() == {"number": 7}


def test_a_write_with_a_wrong_key_is_refused_as_such(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = with_view(make_app, monkeypatch, echo, body=BodySchema, methods=["POST"])
    check(client.post("/api/v1/popsci/it", json={"number": 7}, headers={"Authorization": "Bearer x"}), 401)


def test_a_body_that_is_no_json_is_a_problem_document(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = with_view(make_app, monkeypatch, echo, body=BodySchema, methods=["POST"])
    token = {"X-CSRFToken": client.csrf_token(), "Content-Type": "application/json"}
    check(client.post("/api/v1/popsci/it", data=b"{", headers=token), 400)


def faults(app: Flask) -> str:
    """Why popsci stays out."""
    return " ".join(app.extensions["keyun"].plugins.faults["popsci"])


def test_a_plugin_with_an_api_view_without_a_mark_stays_out(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_door() -> None:
        """Nobody said who may come in."""

    client = with_view(make_app, monkeypatch, open_door)
    assert "popsci-api.open_door @public or @requires" in faults(client.application)
    assert client.get("/api/v1/popsci/it").status_code == 404
    assert client.get("/").status_code == 200


def test_a_plugin_with_an_api_blueprint_of_another_name_stays_out(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyun_popsci.api.blueprint", lambda name: ApiBlueprint("other", __name__))
    assert "must be named 'popsci-api'" in faults(make_app("popsci"))
