"""What the core itself brings through the same hooks as a plugin; it wires, it decides nothing."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyun.access import Permission, system
from keyun.accounts import personal, reset
from keyun.accounts.exporters import exporters as account_exporters
from keyun.accounts.importers import importers as account_importers
from keyun.accounts.services import by_password
from keyun.content.adoption import adopt_all
from keyun.content.leaving import leave
from keyun.content.services import expire
from keyun.content.types import Draft, ReviewCheck
from keyun.exchange.types import Exporter, Importer
from keyun.files.jobs import file_jobs
from keyun.hookspecs import hookimpl
from keyun.jobs import Job, JobRow
from keyun.messages import smtp
from keyun.messages.services import message_job
from keyun.reviews.checks import core_checks
from keyun.reviews.jobs import reminders
from keyun.search.services import follow_job, whoosh

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyun.accounts import User
    from keyun.messages.message import Message
    from keyun.search.port import SearchBackend
    from keyun.site import Site
    from keyun.uow import UnitOfWork

KEEP_DONE_JOBS = dt.timedelta(days=7)


class Core:
    """What answers a hook when no plugin does."""

    def __init__(self, site: Site) -> None:
        self.site = site

    @hookimpl(trylast=True)
    def keyun_search_backend(self, site: Site) -> SearchBackend:
        return whoosh(site)

    @hookimpl(trylast=True)
    def keyun_authenticate(self, identifier: str, secret: str) -> User | None:
        with self.site.reading() as unit:
            return by_password(unit, identifier, secret)

    @hookimpl(trylast=True)
    def keyun_message_channels(self) -> Iterable[str]:
        return smtp.channels(self.site.runtime.config)

    @hookimpl(trylast=True)
    def keyun_message_send(self, message: Message) -> bool | None:
        return smtp.send(self.site.runtime, message)

    @hookimpl(trylast=True)
    def keyun_review_checks(self, draft: Draft) -> Iterable[ReviewCheck]:
        return core_checks(self.site, draft)

    @hookimpl(trylast=True)
    def keyun_export_user(self, unit: UnitOfWork, user_id: int) -> Iterable[personal.Export]:
        return personal.rows_of(unit.session, user_id)

    @hookimpl(trylast=True)
    def keyun_erase_user(self, unit: UnitOfWork, user_id: int) -> None:
        leave(unit, user_id)
        personal.forget(unit, user_id)


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
        Permission("core.review.discuss", "在审核中交流", "talk in a review", trusted, owner=True),
        Permission("core.import.run", "导入数据", "import data", admin),
        Permission("core.export.run", "导出数据", "export data", admin),
        Permission("core.export.personal", "导出个人数据", "export personal data", admin),
        Permission("core.system.view", "查看系统状态", "view the system", admin),
        Permission("core.system.manage", "处理系统任务", "act on the system", admin),
        Permission("core.subsite.edit", "管理子站", "edit a sub-site", admin),
    )


def core_jobs() -> tuple[Job, ...]:
    """Background work of the core."""
    return (
        follow_job(),
        message_job(),
        reset.job(),
        reminders(),
        *file_jobs(),
        Job("core.adopt", _adopt, every=60.0),
        Job("core.expire", _expire, every=30.0),
        Job("core.sweep", _sweep, every=3600.0),
    )


def core_exporters() -> tuple[Exporter, ...]:
    """What the core can export."""
    return account_exporters()


def core_importers() -> tuple[Importer, ...]:
    """What the core can import."""
    return account_importers()


def _adopt(site: Site) -> None:
    """Take over what the processes of the plugin that served before wrote while they ended."""
    adopt_all(site, system())


def _expire(site: Site) -> None:
    with site.writing() as unit:
        expire(system(), unit)


def _sweep(site: Site) -> None:
    """Forget finished jobs after a week; failed ones stay until somebody looks."""
    with site.writing() as unit:
        old = JobRow.created_at < unit.now - KEEP_DONE_JOBS
        unit.session.execute(sa.delete(JobRow).where(JobRow.state == "done", old))
