"""Hooks of precise push; it wires, it decides nothing.

Each feature folder brings its own part of a hook: one line here for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

import click
from flask import Blueprint, render_template
from markupsafe import Markup
from marshmallow import fields, validate

from keyun.access import Actor
from keyun.accounts import Export
from keyun.exchange import Exporter, Importer
from keyun.jobs import Job
from keyun.messages import Message
from keyun.plugins import Check, Derived, Fragment, MenuItem, Permission, Plugin, hookimpl
from keyun.uow import UnitOfWork

# Every table is mapped when this module is imported.
from keyun_notices import api, hookspecs
from keyun_notices import models as models
from keyun_notices.audience.attributes import Attribute
from keyun_notices.compose import menu as compose_menu
from keyun_notices.compose import views as compose_views
from keyun_notices.contacts import commands as contact_commands
from keyun_notices.contacts import handing
from keyun_notices.contacts import importers as contact_files
from keyun_notices.contacts import jobs as contact_jobs
from keyun_notices.contacts import leaving as contact_leaving
from keyun_notices.contacts import views as contact_views
from keyun_notices.eligibility import commands as eligibility_commands
from keyun_notices.eligibility import views as eligibility_views
from keyun_notices.events import EVENTS
from keyun_notices.inbox import menu as inbox_menu
from keyun_notices.inbox import views as inbox_views
from keyun_notices.outbox import commands as outbox_commands
from keyun_notices.outbox import directory as outbox_directory
from keyun_notices.outbox import jobs as outbox_jobs
from keyun_notices.outbox import standing as outbox_standing
from keyun_notices.outbox import tidying as outbox_tidying
from keyun_notices.outbox import views as outbox_views
from keyun_notices.outbox.channels.protocol import Channel
from keyun_notices.outbox.settings import OutboxSettings
from keyun_notices.people import commands as people_commands
from keyun_notices.people import importers as people_files
from keyun_notices.people import jobs as people_jobs
from keyun_notices.people import upkeep
from keyun_notices.people import views as people_views
from keyun_notices.people.core import core_attributes
from keyun_notices.permissions import PERMISSIONS
from keyun_notices.preferences import commands as preferences_commands
from keyun_notices.preferences import jobs as preferences_jobs
from keyun_notices.preferences import views as preferences_views
from keyun_notices.preferences.topics import BUNDLED, Topic
from keyun_notices.publishing import commands as publishing_commands
from keyun_notices.publishing import jobs as publishing_jobs
from keyun_notices.publishing import leaving
from keyun_notices.reach import commands as reach_commands
from keyun_notices.reach import importers as reach_files
from keyun_notices.relays import commands as relay_commands
from keyun_notices.relays import views as relay_views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyun.api import ApiBlueprint


#: A time of the day such as 22:30.
CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z"


class Settings(OutboxSettings):
    """``[plugin.notices]``."""

    #: From when to when nobody is disturbed who said nothing else, in the time zone of the site.
    quiet_from = fields.String(load_default="22:00", validate=validate.Regexp(CLOCK))
    quiet_until = fields.String(load_default="07:00", validate=validate.Regexp(CLOCK))
    #: How many messages a day reach a person who said nothing else, by all plugins and channels together.
    daily_cap = fields.Integer(load_default=6, validate=validate.Range(1, 50))
    #: The local hour at which digests are made, and the day of the week (1 is Monday) of weekly ones.
    digest_hour = fields.Integer(load_default=8, validate=validate.Range(0, 23))
    digest_weekday = fields.Integer(load_default=1, validate=validate.Range(1, 7))
    #: After how many changes of people the worker saves them for processes that start later.
    save_after = fields.Integer(load_default=2000, validate=validate.Range(1, 100_000))


class NoticesPlugin(Plugin):
    """精准推送."""

    settings_schema = Settings
    events: ClassVar[Mapping[str, str]] = EVENTS
    offers: ClassVar[ModuleType | None] = hookspecs

    @hookimpl
    def keyun_permissions(self) -> Iterable[Permission]:
        return PERMISSIONS

    @hookimpl
    def keyun_blueprints(self) -> Iterable[Blueprint]:
        yield inbox_views.blueprint(self.slot)
        yield compose_views.blueprint(self.slot)
        yield people_views.blueprint(self.slot)
        yield eligibility_views.blueprint(self.slot)
        yield contact_views.blueprint(self.slot)
        yield preferences_views.blueprint(self.slot)
        yield outbox_views.blueprint(self.slot)
        yield relay_views.blueprint(self.slot)

    @hookimpl
    def keyun_api(self) -> Iterable[ApiBlueprint]:
        yield api.blueprint(f"{self.slot}-api")

    @hookimpl
    def keyun_commands(self) -> Iterable[click.Command]:
        yield from people_commands.commands()
        yield eligibility_commands.eligibility
        yield from publishing_commands.commands()
        yield from outbox_commands.commands()
        yield contact_commands.contacts
        yield from preferences_commands.COMMANDS
        yield relay_commands.relays
        yield reach_commands.reach
        yield reach_commands.population

    @hookimpl
    def keyun_jobs(self) -> Iterable[Job]:
        yield from people_jobs.jobs()
        yield from publishing_jobs.jobs()
        yield from contact_jobs.jobs()
        yield from preferences_jobs.jobs()
        yield from outbox_jobs.jobs()

    @hookimpl
    def keyun_message_channels(self) -> Iterable[str]:
        return handing.served(self.site)

    @hookimpl(trylast=True)
    def keyun_message_send(self, message: Message) -> bool | None:
        return handing.send(self.site, message)

    @hookimpl
    def keyun_importers(self) -> Iterable[Importer]:
        yield from people_files.importers()
        yield from contact_files.importers()
        yield from reach_files.importers()

    @hookimpl
    def keyun_exporters(self) -> Iterable[Exporter]:
        yield from contact_files.exporters()

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        yield from inbox_menu.menu(actor)
        yield from compose_menu.menu(self.site, actor)

    @hookimpl
    def keyun_export_user(self, unit: UnitOfWork, user_id: int) -> Iterable[Export]:
        yield Export("notices_addressed", [*leaving.addressed_to(unit, user_id)])
        yield from contact_leaving.export(unit, user_id)

    @hookimpl
    def keyun_erase_user(self, unit: UnitOfWork, user_id: int) -> None:
        leaving.forget(unit, user_id)
        outbox_tidying.forget(unit, user_id)
        contact_leaving.forget(unit, user_id)

    @hookimpl
    def keyun_checks(self) -> Iterable[Check]:
        yield Check("notices people", lambda: upkeep.problems(self.site))
        yield Check("notices channels", lambda: outbox_standing.problems(self.site))

    @hookimpl
    def keyun_derived(self) -> Iterable[Derived]:
        yield upkeep.derived(self.site)
        yield from outbox_standing.derived(self.site)

    @hookimpl(tryfirst=True)
    def keyun_notices_attributes(self) -> Iterable[Attribute]:
        return core_attributes()

    @hookimpl(tryfirst=True)
    def keyun_notices_channels(self) -> Iterable[Channel]:
        return outbox_directory.bundled(self.site, self.settings)

    @hookimpl(tryfirst=True)
    def keyun_notices_topics(self) -> Iterable[Topic]:
        return BUNDLED

    @hookimpl
    def keyun_fragment(self, place: str, context: Mapping[str, object]) -> Iterable[Fragment]:
        if place == "account":
            yield Fragment(Markup(render_template("notices/preferences_account.html")), 30)
            yield from relay_views.account()
