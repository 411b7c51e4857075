"""``keyun demo``: records, accounts and indexes on an instance that says what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from keyun.accounts import Organization, User, authenticate
from keyun.accounts.passwords import check_password
from keyun.cli import cli
from keyun.cli.console import Console
from keyun.cli.demo import PASSWORD, mark
from keyun.config import FILE
from keyun.config import load as read_configuration
from keyun.errors import ConfigError
from keyun.search import verify
from keyun.site import Site
from keyun.testing import make_user

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
MakeSite = Callable[..., Site]


def demo(instance: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--instance", str(instance), "demo", *words])


def test_the_demo_fills_an_empty_instance_and_can_be_run_again(
    make_instance: Callable[..., Path], make_site: MakeSite
) -> None:
    instance = make_instance("popsci")
    done = demo(instance)
    assert done.exit_code == 0, done.output
    assert PASSWORD in done.stdout
    site = make_site(instance=instance)
    with site.reading() as unit:
        admin = authenticate(unit, "admin", PASSWORD)
        assert (admin.level, [(g.role, g.region) for g in admin.grants]) == (3, [("admin", "100000")])
        reviewer = unit.session.scalars(sa.select(User).where(User.login == "demo002")).one()
        assert {(g.role, g.region) for g in reviewer.grants} == {("reviewer", "510000"), ("staff", "510000")}
        hashes = unit.session.scalars(sa.select(User.password_hash)).all()
        assert len(hashes) == 201 and len(set(hashes)) == 1
        assert unit.session.scalar(sa.select(sa.func.count()).select_from(Organization))
    report = verify(site)
    assert report.healthy and report.expected > 0
    assert read_configuration(instance, {}).site["demo"] is True
    again = demo(instance)
    assert again.exit_code == 0, again.output
    assert "users: 0 created, 0 changed" in again.stdout


def test_real_accounts_keep_the_demo_out_unless_it_is_wanted(instance: Path, make_site: MakeSite) -> None:
    site = make_site(instance=instance)
    with site.writing() as unit:
        make_user(unit, "demographer")
        make_user(unit, "admin", password="of my own making")
    done = demo(instance)
    assert done.exit_code == 1
    assert "1 real account(s)" in done.stderr and "--yes" in done.stderr
    assert demo(instance, "--yes").exit_code == 0
    with site.reading() as unit:
        logins = {u.login: u for u in unit.session.scalars(sa.select(User))}
    assert logins["demographer"].password_hash is None
    assert check_password(logins["admin"].password_hash, "of my own making")
    assert logins["admin"].grants == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[site]\ndemo = true\n"),
        ('[site]\ntitle = "x"  # y\n', '[site]\ndemo = true\ntitle = "x"  # y\n'),
        ("[site]\ndemo = false # no\n[web]\n", "[site]\ndemo = true # no\n[web]\n"),
        (
            "# demo = true\n[web]\nport = 1\n[site] # here\n\n[jobs]\n",
            "# demo = true\n[web]\nport = 1\n[site] # here\ndemo = true\n\n[jobs]\n",
        ),
        ("[web]\nport = 1", "[web]\nport = 1\n\n[site]\ndemo = true\n"),
        ("[site]\ndemo = true\n", "[site]\ndemo = true\n"),
        ("[site]", "[site]\ndemo = true\n"),
    ],
)
def test_the_mark_is_set_and_the_rest_of_the_file_stays(
    backend: str, tmp_path: Path, before: str, after: str
) -> None:
    (tmp_path / FILE).write_text(before, encoding="utf-8")
    console = Console(tmp_path)
    mark(console)
    console.close()
    assert (tmp_path / FILE).read_text(encoding="utf-8") == after


def test_a_file_that_cannot_be_marked_safely_is_left_alone(backend: str, tmp_path: Path) -> None:
    text = 'site = {title = "x"}\n'
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    console = Console(tmp_path)
    with pytest.raises(ConfigError, match="by hand"):
        mark(console)
    console.close()
    assert (tmp_path / FILE).read_text(encoding="utf-8") == text
