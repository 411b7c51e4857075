"""Hooks of usage; it wires, it decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

import click
from flask import Blueprint
from flask_babel import lazy_gettext as _
from marshmallow import Schema, fields, validate

from keyun.access import Actor
from keyun.accounts import Export
from keyun.content import Opening
from keyun.jobs import Job
from keyun.plugins import Check, MenuItem, Permission, Plugin, hookimpl
from keyun.uow import UnitOfWork
from keyun_usage import api, commands, erasing, hookspecs, jobs, places, rules, services, views
from keyun_usage.events import EVENTS
from keyun_usage.rules import Rule
from keyun_usage.spool import Spool

if TYPE_CHECKING:
    from flask_smorest import Blueprint as ApiBlueprint


class Settings(Schema):
    """``[plugin.usage]``."""

    #: The rule that new days are counted by; `keyun usage rules` lists them.
    rule = fields.String(load_default="opened-1", validate=validate.Length(1, 40))
    #: How many days raw records are kept; a new rule can count these again.
    keep_days = fields.Integer(load_default=90, validate=validate.Range(1, 366))
    #: How often the worker folds, in seconds.
    fold_seconds = fields.Float(load_default=5.0, validate=validate.Range(1, 3600))


class UsagePlugin(Plugin):
    """使用统计."""

    settings_schema = Settings
    events = EVENTS
    offers: ClassVar[ModuleType | None] = hookspecs

    @hookimpl
    def keyun_content_opened(self, opening: Opening) -> None:
        services.note(self.spool, opening)

    @property
    def spool(self) -> Spool:
        """Where this process appends; begun at the first use."""
        return places.spool_of(self.site)

    @hookimpl
    def keyun_blueprints(self) -> Iterable[Blueprint]:
        yield views.blueprint(self.slot)

    @hookimpl
    def keyun_api(self) -> Iterable[ApiBlueprint]:
        yield api.blueprint(f"{self.slot}-api")

    @hookimpl
    def keyun_commands(self) -> Iterable[click.Command]:
        return commands.commands()

    @hookimpl
    def keyun_permissions(self) -> Iterable[Permission]:
        return services.permissions()

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        if self.site.access.allows(actor, services.READ):
            yield MenuItem("usage.index", _("使用统计"), 85)

    @hookimpl
    def keyun_jobs(self) -> Iterable[Job]:
        return jobs.jobs(self.settings["fold_seconds"])

    @hookimpl
    def keyun_export_user(self, unit: UnitOfWork, user_id: int) -> Iterable[Export]:
        return erasing.export(unit, user_id)

    @hookimpl
    def keyun_erase_user(self, unit: UnitOfWork, user_id: int) -> None:
        erasing.ask(unit, user_id)

    @hookimpl
    def keyun_checks(self) -> Iterable[Check]:
        yield Check("usage", lambda: services.problems(self.site))

    @hookimpl(trylast=True)
    def keyun_usage_rules(self) -> Iterable[Rule]:
        yield rules.opened()
