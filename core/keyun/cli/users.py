"""``keyun users``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from keyun.access import ROLES, system
from keyun.accounts import (
    User,
    create_token,
    grant_role,
    personal,
    register,
    revoke_role,
    set_password,
    verify_user,
)
from keyun.accounts.services import deactivate_user, find_user
from keyun.cli.console import Console, Group, pass_console

ROLE = click.Choice(ROLES[2:])
MOST = 1000
STDIN = click.option("--password-stdin", "stdin", is_flag=True, help="Read the password from standard input.")


@click.group(cls=Group)
def users() -> None:
    """Add, verify and authorize users."""


@users.command()
@click.argument("login")
@click.option("--name", required=True)
@click.option("--region", required=True, help="Six-digit code.")
@click.option("--email")
@click.option("--level", type=click.IntRange(0, 3), default=0, show_default=True)
@click.option("--role", "roles", multiple=True, metavar="ROLE:REGION", help="May be given several times.")
@STDIN
@pass_console
def add(
    console: Console,
    login: str,
    name: str,
    region: str,
    email: str | None,
    level: int,
    roles: tuple[str, ...],
    stdin: bool,
) -> None:
    """Open an account for LOGIN; the password is asked for, or read from standard input.

    Account, level and roles are made together or not at all.
    """
    grants = [_grant(text) for text in roles]
    data: dict[str, Any] = {"login": login, "name": name, "region": region, "email": email}
    data["password"] = _password(stdin)
    with console.site.writing() as unit:
        user = register(system(), unit, data)
        if level:
            verify_user(system(), unit, user, level)
        for role, where in grants:
            grant_role(system(), unit, user, role, where)
    click.echo(f"{login} added")


def _grant(text: str) -> tuple[str, str]:
    role, mark, region = text.partition(":")
    if not mark or role not in ROLES[2:]:
        raise click.BadParameter(f"{text!r} must be ROLE:REGION, the role one of {', '.join(ROLES[2:])}")
    return role, region


def _password(stdin: bool) -> str:
    """The password from standard input, or asked for twice; never from the command line, which others see."""
    if stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_console
def list_(console: Console, as_json: bool) -> None:
    """List accounts with level and roles (the newest 1,000); no names, phones or addresses."""
    with console.site.reading() as unit:
        found = unit.session.scalars(sa.select(User).order_by(User.id.desc()).limit(MOST)).all()
        rows = [
            {
                "login": u.login,
                "level": u.level,
                "region": u.region,
                "active": u.active,
                "roles": " ".join(f"{g.role}:{g.region}" for g in u.grants),
            }
            for u in found
        ]
    if as_json:
        console.json([{**r, "roles": str(r["roles"]).split()} for r in rows])
        return
    for r in rows:
        mark = "" if r["active"] else "  (inactive)"
        click.echo(f"{r['login']:<24} level {r['level']}  {r['region'] or '-':<7} {r['roles']}{mark}")


@users.command()
@click.argument("login")
@click.argument("level", type=click.IntRange(0, 3))
@pass_console
def verify(console: Console, login: str, level: int) -> None:
    """Set the verification LEVEL of LOGIN: 1 phone, 2 identity, 3 profession."""
    with console.site.writing() as unit:
        verify_user(system(), unit, find_user(unit, login), level)
    click.echo(f"{login} is at level {level}")


@users.command()
@click.argument("login")
@click.argument("role", type=ROLE)
@click.argument("region")
@pass_console
def grant(console: Console, login: str, role: str, region: str) -> None:
    """Give LOGIN a ROLE for REGION and everything below it."""
    with console.site.writing() as unit:
        grant_role(system(), unit, find_user(unit, login), role, region)
    click.echo(f"{login} is {role} for {region}")


@users.command()
@click.argument("login")
@click.argument("role", type=ROLE)
@click.argument("region")
@pass_console
def revoke(console: Console, login: str, role: str, region: str) -> None:
    """Take a ROLE for REGION away from LOGIN."""
    with console.site.writing() as unit:
        revoke_role(system(), unit, find_user(unit, login), role, region)
    click.echo(f"{login} is no longer {role} for {region}")


@users.command()
@click.argument("login")
@STDIN
@pass_console
def password(console: Console, login: str, stdin: bool) -> None:
    """Give LOGIN a new password; it is asked for, or read from standard input."""
    with console.site.reading() as unit:
        find_user(unit, login)
    new = _password(stdin)
    with console.site.writing() as unit:
        set_password(system(), unit, find_user(unit, login), new)
    click.echo(f"{login} has a new password")


@users.command()
@click.argument("login")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@pass_console
def export(console: Console, login: str, file: Path) -> None:
    """Write everything about LOGIN into FILE as JSON; only the owner of the file can read it."""
    with console.site.reading() as unit:
        found = personal.export(system(), unit, find_user(unit, login))
    # Never readable by others, not even before it is full.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
        # A file that was there keeps its mode and its text otherwise.
        os.fchmod(f.fileno(), 0o600)
        f.truncate()
        json.dump(found, f, ensure_ascii=False, indent=2, default=str)
    click.echo(f"{sum(map(len, found.values()))} records of {login} in {file}")


@users.command()
@click.argument("login")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_console
def erase(console: Console, login: str, yes: bool) -> None:
    """Forget LOGIN for good: the account, what hangs on it, and its drafts.

    What the person published alone is withdrawn; what belongs to an organization stays.
    """
    with console.site.reading() as unit:
        find_user(unit, login)
    if not yes:
        click.confirm(f"Erase {login} for good? Export first with `keyun users export`.", abort=True)
    with console.site.writing() as unit:
        personal.erase(system(), unit, find_user(unit, login))
    click.echo(f"{login} is erased; backups keep the data until they run out")


@users.command()
@click.argument("login")
@click.option("--name", required=True, help="What the key is for.")
@pass_console
def token(console: Console, login: str, name: str) -> None:
    """Make a key for programs that act as LOGIN; it is shown this once."""
    with console.site.writing() as unit:
        secret = create_token(system(), unit, find_user(unit, login), name)
    click.echo(secret)


@users.command()
@click.argument("login")
@pass_console
def deactivate(console: Console, login: str) -> None:
    """Close LOGIN at once; what it wrote stays."""
    with console.site.writing() as unit:
        deactivate_user(system(), unit, find_user(unit, login))
    click.echo(f"{login} is closed")
