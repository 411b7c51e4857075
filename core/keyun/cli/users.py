"""``keyun users``."""

from __future__ import annotations

from typing import Any

import click
import sqlalchemy as sa

from keyun.access import ROLES, system
from keyun.accounts import (
    User,
    create_token,
    grant_role,
    register,
    revoke_role,
    set_password,
    verify_user,
)
from keyun.accounts.services import deactivate_user, find_user
from keyun.cli.console import Console, Group, pass_console

ROLE = click.Choice(ROLES[2:])
MOST = 1000


@click.group(cls=Group)
def users() -> None:
    """Add, verify and authorize users."""


@users.command()
@click.argument("login")
@click.option("--name", required=True)
@click.option("--region", required=True, help="Six-digit code.")
@click.option("--email")
@click.option("--level", type=click.IntRange(0, 3), default=0, show_default=True)
@click.password_option()
@pass_console
def add(
    console: Console, login: str, name: str, region: str, email: str | None, level: int, password: str
) -> None:
    """Open an account for LOGIN; the password is asked for, or given with --password."""
    data: dict[str, Any] = {"login": login, "name": name, "region": region, "email": email, "password": password}
    with console.site.writing() as unit:
        user = register(system(), unit, data)
        if level:
            verify_user(system(), unit, user, level)
    click.echo(f"{login} added")


@users.command("list")
@click.option("--json", "as_json", is_flag=True)
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
                "roles": [f"{g.role}:{g.region}" for g in u.grants],
            }
            for u in found
        ]
    if as_json:
        console.json(rows)
        return
    for r in rows:
        mark = "" if r["active"] else "  (inactive)"
        click.echo(f"{r['login']:<24} level {r['level']}  {r['region'] or '-':<7} {' '.join(r['roles'])}{mark}")


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
@click.password_option()
@pass_console
def password(console: Console, login: str, password: str) -> None:
    """Give LOGIN a new password."""
    with console.site.writing() as unit:
        set_password(system(), unit, find_user(unit, login), password)
    click.echo(f"{login} has a new password")


@users.command()
@click.argument("login")
@click.option("--name", default="key", show_default=True, help="What the key is for.")
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
