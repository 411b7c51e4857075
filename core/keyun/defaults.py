"""What the core itself brings through the same kinds of declarations as a plugin."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyun.access import Permission, system
from keyun.accounts.importers import importers as account_importers
from keyun.content.services import expire
from keyun.exchange.types import Importer
from keyun.jobs import Job, JobRow
from keyun.search.services import follow_job

if TYPE_CHECKING:
    from keyun.site import Site

KEEP_DONE_JOBS = dt.timedelta(days=7)


def core_permissions() -> tuple[Permission, ...]:
    """Permissions that exist with every plugin off."""
    admin = frozenset({"admin"})
    trusted = frozenset({"reviewer", "staff", "admin"})
    return (
        Permission("core.account.register", "注册账号", "register", frozenset({"anyone", "admin"})),
        Permission("core.account.edit", "修改账号", "edit an account", admin, owner=True),
        Permission("core.account.verify", "认证用户", "verify a user", frozenset({"staff", "admin"})),
        Permission("core.role.grant", "授予角色", "grant a role", admin),
        Permission("core.content.review", "审核内容", "review content", trusted),
        Permission("core.import.run", "导入数据", "import data", admin),
        Permission("core.system.view", "查看系统状态", "view the system", admin),
    )


def core_jobs() -> tuple[Job, ...]:
    """Background work of the core."""
    return (
        follow_job(),
        Job("core.expire", _expire, every=30.0),
        Job("core.sweep", _sweep, every=3600.0),
    )


def core_importers() -> tuple[Importer, ...]:
    """What the core can import."""
    return account_importers()


def _expire(site: Site) -> None:
    with site.writing() as unit:
        expire(system(), unit)


def _sweep(site: Site) -> None:
    """Forget finished jobs after a week; failed ones stay until somebody looks."""
    with site.writing() as unit:
        old = JobRow.created_at < unit.now - KEEP_DONE_JOBS
        unit.session.execute(sa.delete(JobRow).where(JobRow.state == "done", old))
