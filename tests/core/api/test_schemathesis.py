"""The API against its own description: no fault of the server, no answer that the description denies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyun import config as configuration
from keyun.access import system
from keyun.accounts import create_token
from keyun.app import create_app
from keyun.exchange import run
from keyun.hookspecs import DemoFile
from keyun.jobs import Worker
from keyun.runtime import Runtime
from keyun.site import Site
from keyun.testing import make_user
from keyun.testing.databases import Databases
from keyun.testing.instances import write_instance

if TYPE_CHECKING:
    from schemathesis import APIOperation, GenerationMode

    Operation = APIOperation[Any, Any, Any, Any]

PLUGINS = ("marketplace", "popsci", "emergency", "bayu_bridge")
ADDRESS = "/api/v1/openapi.json"
ROLES: dict[str, tuple[tuple[str, str], ...]] = {
    "visitor": (),
    "user": (),
    "admin": (("admin", "100000"), ("reviewer", "100000")),
}
EXAMPLES = 12
#: Values that exist, by the name of the part of the address.
Known = Mapping[str, list[str]]


@dataclass(frozen=True)
class Served:
    """The application, a key for each role, and what exists."""

    app: Flask
    keys: Mapping[str, str]
    known: Known


@pytest.fixture(scope="module")
def served(keyun_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Every plugin with its demonstration records."""
    folder = tmp_path_factory.mktemp("api") / "instance"
    write_instance(folder, keyun_databases.copy("sqlite", PLUGINS, folder), PLUGINS, {})
    runtime = Runtime(configuration.load(folder, {}))
    site = Site.open(runtime)
    load(site)
    keys = {"visitor": ""}
    with site.writing() as unit:
        for role in ("user", "admin"):
            user = make_user(unit, role, level=2, roles=ROLES[role])
            keys[role] = create_token(system(), unit, user, "test")
    app = create_app(site)
    yield Served(app, keys, known(app))
    runtime.close()


def load(site: Site) -> None:
    """The demonstration, and the indexes that follow it."""
    with ExitStack() as stack:
        core = files("keyun") / "demo"
        own = [
            DemoFile(n, stack.enter_context(as_file(core / f"{n}.csv")), 0)
            for n in ("organizations", "users")
        ]
        for file in [*own, *sorted(site.plugins.demo(), key=lambda f: f.weight)]:
            assert run(site, site.importers[file.importer], file.path, system()).failed == 0
    Worker(site).drain()


def known(app: Flask) -> Known:
    """Ids of items of every type, and codes of places."""
    client = app.test_client()

    def items(path: str) -> list[dict[str, Any]]:
        return list((client.get(path).json or {})["items"])

    found = [i for t in items("/api/v1/types") for i in items(f"/api/v1/content?limit=2&type={t['name']}")]
    return {"public_id": [i["id"] for i in found], "code": ["510000", "511402", "511024"]}


def operations(app: Flask) -> Iterator[Operation]:
    """Every operation of the description."""
    from schemathesis import openapi
    from schemathesis.core.result import Ok

    for found in openapi.from_wsgi(ADDRESS, app).get_all_operations():
        assert isinstance(found, Ok), f"the description is not valid: {found}"
        yield found.ok()


def checks() -> list[Callable[..., Any]]:
    """What every answer must satisfy; that unknown words of a question are ignored is meant."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks as openapi

    return [
        not_a_server_error,
        openapi.status_code_conformance,
        openapi.content_type_conformance,
        openapi.response_schema_conformance,
        openapi.response_headers_conformance,
    ]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_operation_keeps_what_the_description_promises(served: Served, role: str, mode: str) -> None:
    from schemathesis import GenerationMode

    kind = GenerationMode(mode)
    failures = []
    tried = 0
    for operation in operations(served.app):
        try:
            tried += ask(operation, kind, served.keys[role], served.known)
        except Exception as e:
            failures.append(f"{operation.label}: {e}")
    assert not failures, "\n\n".join(failures)
    assert tried > EXAMPLES * 5


def ask(operation: Operation, mode: GenerationMode, key: str, known: Known) -> int:
    """Send a fixed set of requests to ``operation``; returns how many."""
    from hypothesis.errors import Unsatisfiable

    count = 0
    # Schemathesis asks for gzip and does not unpack what a WSGI application sends.
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def test(case: Any, data: st.DataObject) -> None:
        nonlocal count
        count += 1
        for name in set(case.path_parameters or {}) & set(known):
            if data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(st.sampled_from(known[name]))
        case.validate_response(case.call(headers=headers), checks=checks())

    try:
        test()
    except Unsatisfiable:
        # Nothing can be wrong about a request without parameters.
        assert mode.value == "negative"
    return count
