"""Load demonstration records."""

from __future__ import annotations

import re
from importlib.resources import as_file, files

import click
import sqlalchemy as sa

from keyun.access import system
from keyun.accounts import Grant, User
from keyun.accounts.passwords import hash_password
from keyun.cli.console import Console
from keyun.config import FILE
from keyun.db import public_id
from keyun.errors import Conflict
from keyun.exchange import run
from keyun.hookspecs import DemoFile
from keyun.jobs import Worker

PASSWORD = "demo-keyun"
#: Staff of the demonstration: log-in name to (role, region).
STAFF = {"demo002": (("reviewer", "510000"), ("editor", "510000")), "admin": (("admin", "100000"),)}


def load(console: Console, yes: bool) -> None:
    """Import every demonstration file, give the accounts a password, and let the indexes follow."""
    site = console.site
    with site.reading() as unit:
        others = unit.session.scalar(
            sa.select(sa.func.count()).select_from(User).where(User.login.not_like("demo%"), User.login != "admin")
        )
    if others and not yes:
        raise Conflict(f"{others} real account(s) here; demonstration records do not belong there (--yes to force)")
    _mark_as_demo(console)
    for file in _files(console):
        report = run(site, site.importers[file.importer], file.path, system(), progress=console.progress)
        click.echo(f"{file.importer}: {report.created} created, {report.changed} changed, {report.failed} refused")
        if report.failed:
            raise Conflict(f"demonstration file {file.path.name} has {report.failed} bad row(s)")
    accounts = _accounts(console)
    worker = Worker(site)
    worker.schedule()
    worker.drain()
    click.echo(f"{accounts} accounts: demo001 … and admin, password {PASSWORD}")


def _files(console: Console) -> list[DemoFile]:
    found: list[DemoFile] = []
    for weight, name in enumerate(("organizations", "users"), 10):
        with as_file(files("keyun") / "demo" / f"{name}.csv") as path:
            found.append(DemoFile(name, path, weight))
    return sorted([*found, *console.site.plugins.demo()], key=lambda f: f.weight)


def _accounts(console: Console) -> int:
    # One hash for all: they share one public password.
    hashed = hash_password(PASSWORD)
    with console.site.writing() as unit:
        admin = unit.session.scalars(sa.select(User).where(User.login == "admin")).first()
        if admin is None:
            unit.session.add(
                User(
                    public_id=public_id(), login="admin", name="系统管理员（演示）", region="510000", level=3,
                    created_at=unit.now,
                )
            )
            unit.session.flush()
        changed = unit.session.execute(
            sa.update(User)
            .where(sa.or_(User.login.like("demo%"), User.login == "admin"), User.password_hash.is_(None))
            .values(password_hash=hashed)
        )
        for login, grants in STAFF.items():
            user = unit.session.scalars(sa.select(User).where(User.login == login)).first()
            for role, region in grants if user is not None else ():
                if user is not None and unit.session.get(Grant, (user.id, role, region)) is None:
                    unit.session.add(Grant(user_id=user.id, role=role, region=region))
        return int(changed.rowcount)  # type: ignore[attr-defined]


def _mark_as_demo(console: Console) -> None:
    """Say on every page that these are demonstration records."""
    path = console.instance / FILE
    text = path.read_text(encoding="utf-8") if path.exists() else "[site]\n"
    if re.search(r"^demo\s*=", text, re.MULTILINE):
        return
    path.write_text(text.replace("[site]\n", "[site]\ndemo = true\n", 1), encoding="utf-8")
