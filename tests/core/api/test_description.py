"""The description of the API: OpenAPI 3.1 for programs, a page without scripts for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from keyun.testing import Browser, browse

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MakeApp = Callable[..., Flask]
ALL = ("popsci", "emergency", "bayu_bridge")


@pytest.fixture
def browser(make_app: MakeApp) -> Browser:
    """A visitor of a site with three plugins."""
    return browse(make_app(*ALL))


def refs(value: Any) -> Iterator[str]:
    """Every $ref in ``value``."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


def test_the_description_is_sound_openapi_3_1(browser: Browser) -> None:
    spec = browser.get("/api/v1/openapi.json").get_json()
    assert re.fullmatch(r"3\.1\.\d+", spec["openapi"])
    assert spec["info"]["title"] and spec["info"]["version"]
    for ref in refs(spec):
        node = spec
        for part in ref.removeprefix("#/").split("/"):
            node = node[part]
    ids = []
    for path, item in spec["paths"].items():
        wanted = set(re.findall(r"{(\w+)}", path))
        for method, operation in item.items():
            if method == "parameters":
                continue
            ids.append(operation["operationId"])
            parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
            assert {p["name"] for p in parameters if p["in"] == "path"} == wanted
            assert all(p["required"] for p in parameters if p["in"] == "path")
            assert operation["summary"] and operation["description"]
            assert "200" in operation["responses"] and "default" in operation["responses"]
    assert len(ids) == len(set(ids)) >= 12
    assert "nullable" not in str(spec)


def test_a_validator_agrees(browser: Browser) -> None:
    validator = pytest.importorskip(
        "openapi_spec_validator", reason="openapi-spec-validator is not installed"
    )
    validator.validate(browser.get("/api/v1/openapi.json").get_json())


def test_every_operation_of_the_map_is_described_and_nothing_else(make_app: MakeApp) -> None:
    app = make_app(*ALL)
    spec = browse(app).get("/api/v1/openapi.json").get_json()
    rules = {
        re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", r.rule)
        for r in app.url_map.iter_rules()
        if r.rule.startswith("/api/")
    }
    assert rules - {"/api/v1/openapi.json", "/api/v1/docs"} == spec["paths"].keys()


def test_schemas_of_two_plugins_with_one_name_stand_beside_each_other(browser: Browser) -> None:
    names = browser.get("/api/v1/openapi.json").get_json()["components"]["schemas"].keys()
    assert {"Item", "PopsciArticleItem", "EmergencyResourceItem", "BayuBridgeNode", "Problem"} <= names


def test_errors_are_described_as_problem_documents(browser: Browser) -> None:
    responses = browser.get("/api/v1/openapi.json").get_json()["components"]["responses"]
    assert responses
    assert all(r["content"].keys() == {"application/problem+json"} for r in responses.values())


@pytest.mark.parametrize(
    ("lang", "words"), [("zh", ("行政区划", "参数", "返回")), ("en", ("A region", "Parameters"))]
)
def test_the_page_shows_every_operation_in_both_languages(
    browser: Browser, lang: str, words: tuple[str, ...]
) -> None:
    page = browser.get(f"/api/v1/docs?lang={lang}").get_data(as_text=True)
    spec = browser.get("/api/v1/openapi.json").get_json()
    for path in spec["paths"]:
        assert path in page
    for word in words:
        assert word in page


def test_the_page_asks_no_other_server_and_needs_no_script(browser: Browser) -> None:
    answer = browser.get("/api/v1/docs")
    page = answer.get_data(as_text=True)
    loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="([^"]+)"', page)
    # The canonical address is said, not fetched.
    loaded = [address for address in loaded if not address.startswith("http://localhost/")]
    assert all(address.startswith("/") and not address.startswith("//") for address in loaded)
    assert not re.search(r"<script>|\son\w+=|style=|javascript:", page)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
