"""Load demonstration records."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.resources import as_file, files

import click
import sqlalchemy as sa

from keyun.access import system
from keyun.accounts import Grant, User
from keyun.accounts.passwords import hash_password
from keyun.cli.console import Console
from keyun.config import FILE
from keyun.errors import ConfigError, Conflict, NotFound
from keyun.exchange import run
from keyun.hookspecs import DemoFile
from keyun.jobs import Worker
from keyun.uow import UnitOfWork

PASSWORD = "demo-keyun"
#: How the demonstration's own accounts are told from real ones.
PREFIX, ADMIN = "demo-user-", "demo-admin"
REVIEWER = "demo002"
REVIEWER_GRANTS = (("reviewer", "510000"), ("staff", "510000"))
ADMIN_GRANTS = (("admin", "100000"),)


def load(console: Console, yes: bool = False) -> None:
    """Import every demonstration file, give the accounts a password, and let the indexes follow.

    :raises Conflict: on an instance with real accounts that is not marked as a demonstration.
    """
    site = console.site
    with site.reading() as unit:
        real = unit.session.scalar(sa.select(sa.func.count()).select_from(User).where(_is_real()))
    if real and not yes and not console.runtime.config.site["demo"]:
        raise Conflict(
            f"{console.instance} has {real} real account(s); demonstration records do not belong there. "
            "Use another folder with --instance, or add --yes if you are sure"
        )
    mark(console)
    with ExitStack() as stack:
        for file in sorted([*_core(stack), *site.plugins.demo()], key=lambda f: f.weight):
            _import(console, file)
    accounts, admin = _accounts(console)
    worker = Worker(site)
    worker.schedule()
    console.progress("bringing the indexes up to date")
    worker.drain()
    click.echo(f"{accounts} accounts, demo001 and on, with the password {PASSWORD}; {REVIEWER} reviews")
    click.echo(
        f"admin has the password {PASSWORD}" if admin else "admin was here before and keeps its password"
    )


def _is_real() -> sa.ColumnElement[bool]:
    theirs = sa.func.coalesce(User.external_id, "")
    return sa.and_(theirs.not_like(f"{PREFIX}%"), User.login != "admin")


def _core(stack: ExitStack) -> list[DemoFile]:
    folder = files("keyun") / "demo"
    return [
        DemoFile(name, stack.enter_context(as_file(folder / f"{name}.csv")), weight)
        for weight, name in enumerate(("organizations", "users"), 10)
    ]


def _import(console: Console, file: DemoFile) -> None:
    site = console.site
    if file.importer not in site.importers:
        raise NotFound(f"{file.path.name} wants the importer {file.importer}, which no enabled plugin brings")
    refused = console.instance / f"demo-{file.path.name}.errors.csv"
    report = run(
        site,
        site.importers[file.importer],
        file.path,
        system(),
        errors_path=refused,
        progress=console.progress,
    )
    click.echo(f"{file.importer}: {report.created} created, {report.changed} changed")
    if report.failed:
        raise Conflict(
            f"{file.path}: {report.failed} row(s) refused, see {refused}; this is a fault of the package"
        )


def _accounts(console: Console) -> tuple[int, bool]:
    """Passwords and roles; returns how many demonstration users there are, and whether admin is ours."""
    # One hash for all: it is slow by design, and the password is public anyway.
    hashed = hash_password(PASSWORD)
    with console.site.writing() as unit:
        ours = sa.or_(User.external_id.like(f"{PREFIX}%"), User.external_id == ADMIN)
        _admin(unit)
        unit.session.execute(
            sa.update(User).where(ours, User.password_hash.is_(None)).values(password_hash=hashed)
        )
        admin = _grant(unit, User.external_id == ADMIN, ADMIN_GRANTS)
        _grant(unit, sa.and_(User.login == REVIEWER, ours), REVIEWER_GRANTS)
        count = unit.session.scalar(
            sa.select(sa.func.count()).select_from(User).where(User.external_id.like(f"{PREFIX}%"))
        )
        return count or 0, admin


def _admin(unit: UnitOfWork) -> None:
    if unit.session.scalar(sa.select(User.id).where(User.login == "admin")) is not None:
        return
    admin = User(
        external_id=ADMIN,
        login="admin",
        name="系统管理员（演示）",
        region="510000",
        level=3,
        created_at=unit.now,
    )
    unit.session.add(admin)
    unit.session.flush()
    unit.record("user.registered", "user", admin.id, system())


def _grant(unit: UnitOfWork, who: sa.ColumnElement[bool], grants: Sequence[tuple[str, str]]) -> bool:
    """Give roles that are not there yet; False when there is no such user."""
    user_id = unit.session.scalar(sa.select(User.id).where(who))
    if user_id is None:
        return False
    for role, region in grants:
        if unit.session.get(Grant, (user_id, role, region)) is None:
            unit.session.add(Grant(user_id=user_id, role=role, region=region))
    return True


def mark(console: Console) -> None:
    """Write ``demo = true`` under ``[site]``, so that every page says what these records are.

    :raises ConfigError: when the file is written in a way that this cannot change safely.
    """
    if console.runtime.config.site["demo"]:
        return
    path = console.instance / FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before = tomllib.loads(text)
    new = _with_demo(text)
    try:
        after = tomllib.loads(new)
    except tomllib.TOMLDecodeError:
        after = {}
    if after != {**before, "site": {**before.get("site", {}), "demo": True}}:
        raise ConfigError(f"{path}: write `demo = true` under [site] by hand, then run `keyun demo` again")
    path.write_text(new, encoding="utf-8")


def _with_demo(text: str) -> str:
    """``text`` with the key in its ``[site]`` table, every other character as it was."""
    found = re.search(r"^\[site\][^\n]*(?:\n|\Z)", text, re.MULTILINE)
    if found is None:
        return f"{text.rstrip()}\n\n[site]\ndemo = true\n".lstrip()
    end = re.compile(r"^\[", re.MULTILINE).search(text, found.end())
    head, body, tail = (
        text[: found.end()],
        text[found.end() : end.start() if end else None],
        text[end.start() :] if end else "",
    )
    changed, count = re.subn(r"^(\s*demo\s*=\s*)false\b", r"\1true", body, count=1, flags=re.MULTILINE)
    return f"{head}{changed}{tail}" if count else f"{head.rstrip()}\ndemo = true\n{body}{tail}"
