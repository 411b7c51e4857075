"""``keyun users``: accounts from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from keyun.accounts import authenticate, token_actor
from keyun.cli import cli
from keyun.errors import Forbidden
from keyun.site import Site

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MakeSite = Callable[..., Site]
Keyun = Callable[..., Result]
SECRET = "a long enough secret"
NEW = ("--name", "李一", "--region", "511402")


@pytest.fixture
def keyun(instance: Path) -> Keyun:
    def call(*words: str, input: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["--instance", str(instance), "users", *words], input=input)

    return call


@pytest.fixture
def site(make_site: MakeSite, instance: Path) -> Site:
    return make_site(instance=instance)


def accounts(keyun: Keyun) -> dict[str, dict[str, Any]]:
    return {row["login"]: row for row in json.loads(keyun("list", "--json").stdout)}


def opens(site: Site, login: str, password: str) -> bool:
    try:
        with site.reading() as unit:
            authenticate(unit, login, password)
    except Forbidden:
        return False
    return True


def test_a_user_is_added_with_level_and_roles(keyun: Keyun, site: Site) -> None:
    roles = ("--level", "2", "--role", "staff:510000", "--role", "editor:511400")
    done = keyun("add", "liyi", *NEW, *roles, "--password-stdin", input=SECRET + "\n")
    assert done.exit_code == 0, done.output
    assert opens(site, "liyi", SECRET)
    found = accounts(keyun)["liyi"]
    assert (found["level"], found["region"], found["active"]) == (2, "511402", True)
    assert sorted(found["roles"]) == ["editor:511400", "staff:510000"]
    assert "liyi" in keyun("list").stdout and "李一" not in keyun("list").stdout


def test_the_password_is_asked_for_twice(keyun: Keyun, site: Site) -> None:
    done = keyun("add", "liyi", *NEW, input=f"{SECRET}\n{SECRET}\n")
    assert done.exit_code == 0, done.output
    assert SECRET not in done.output
    assert opens(site, "liyi", SECRET)


@pytest.mark.parametrize(
    ("more", "password", "says"),
    [
        ((), "short", "8"),
        (("--email", "nowhere"), SECRET, "email"),
        (("--role", "king:510000"), SECRET, "ROLE:REGION"),
        (("--role", "staff:519999"), SECRET, "519999"),
        (("--level", "7"), SECRET, "--level"),
    ],
)
def test_what_is_wrong_adds_nobody(keyun: Keyun, more: tuple[str, ...], password: str, says: str) -> None:
    done = keyun("add", "liyi", *NEW, *more, "--password-stdin", input=password + "\n")
    assert done.exit_code in (1, 2)
    assert says in done.stderr and "Traceback" not in done.stderr
    assert accounts(keyun) == {}


def test_an_account_can_be_verified_trusted_and_closed(keyun: Keyun, site: Site) -> None:
    keyun("add", "liyi", *NEW, "--password-stdin", input=SECRET)
    assert keyun("verify", "liyi", "3").exit_code == 0
    assert keyun("grant", "liyi", "reviewer", "510000").exit_code == 0
    assert keyun("grant", "liyi", "reviewer", "510000").exit_code == 0
    assert accounts(keyun)["liyi"]["level"] == 3
    assert accounts(keyun)["liyi"]["roles"] == ["reviewer:510000"]
    assert keyun("revoke", "liyi", "reviewer", "510000").exit_code == 0
    assert keyun("revoke", "liyi", "reviewer", "510000").exit_code == 1
    assert accounts(keyun)["liyi"]["roles"] == []
    assert keyun("deactivate", "liyi").exit_code == 0
    assert not opens(site, "liyi", SECRET)
    assert "(inactive)" in keyun("list").stdout


def test_a_new_password_replaces_the_old_one(keyun: Keyun, site: Site) -> None:
    keyun("add", "liyi", *NEW, "--password-stdin", input=SECRET)
    assert keyun("password", "liyi", "--password-stdin", input="quite another one\n").exit_code == 0
    assert not opens(site, "liyi", SECRET)
    assert opens(site, "liyi", "quite another one")


def test_a_key_is_printed_once_and_acts_for_its_user(keyun: Keyun, site: Site) -> None:
    keyun("add", "liyi", *NEW, "--password-stdin", input=SECRET)
    done = keyun("token", "liyi", "--name", "nightly export")
    key = done.stdout.strip()
    with site.reading() as unit:
        assert token_actor(unit, key).login == "liyi"
    assert keyun("token", "liyi").exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "nobody", "1"),
        ("grant", "nobody", "staff", "510000"),
        ("password", "nobody", "--password-stdin"),
        ("token", "nobody", "--name", "x"),
        ("deactivate", "nobody"),
    ],
)
def test_an_unknown_login_is_one_sentence(keyun: Keyun, words: tuple[str, ...]) -> None:
    done = keyun(*words, input=SECRET)
    assert done.exit_code == 1
    assert done.stderr.startswith("keyun: ") and "keyun users list" in done.stderr
