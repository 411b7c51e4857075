"""Hooks of the marketplace; it wires, it decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import as_file, files
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import click
from flask import Blueprint, render_template
from flask_babel import lazy_gettext as _
from markupsafe import Markup
from marshmallow import Schema, fields, validate

from keyun.access import Actor
from keyun.content import ContentType, Draft, Verdict
from keyun.events import Committed
from keyun.exchange import Exporter, Importer
from keyun.jobs import Job
from keyun.plugins import Check, DemoFile, Derived, Fragment, MenuItem, Permission, Plugin, hookimpl
from keyun.search import SearchSource
from keyun.uow import UnitOfWork
from keyun_marketplace import (
    api,
    commands,
    exporters,
    hookspecs,
    importers,
    jobs,
    matchmaking,
    screening,
    services,
    views,
)
from keyun_marketplace.attributes import attributes
from keyun_marketplace.disciplines import disciplines
from keyun_marketplace.events import EVENTS
from keyun_marketplace.models import NEED, OFFER, PERSON
from keyun_marketplace.scoring import Asks, Bonus, Found, Query

if TYPE_CHECKING:
    from flask_smorest import Blueprint as ApiBlueprint


SHARES = fields.Dict(fields.String(), fields.Float(validate=validate.Range(0, 3)))


class Settings(Schema):
    """``[plugin.marketplace]``."""

    #: A CSV ``name,name_en`` that replaces the bundled list of fields.
    disciplines = fields.String(load_default="")
    #: How many offers and people are shown for a need.
    matches = fields.Integer(load_default=10, validate=validate.Range(1, 50))
    #: How much a declared field that agrees adds to the score of the words (0.6: times 1.6).
    field_bonus = fields.Float(load_default=0.6, validate=validate.Range(0, 3))
    #: After how many changes the worker merges them into the match index.
    merge_after = fields.Integer(load_default=2000, validate=validate.Range(1, 100_000))
    #: How much values of fields that plugins add count: slot, field, value, share of the score of the words.
    bonuses = fields.Dict(fields.String(), fields.Dict(fields.String(), SHARES), load_default=dict)


class MarketplacePlugin(Plugin):
    """科技所能 and 科技所需."""

    settings_schema = Settings
    events = EVENTS
    offers: ClassVar[ModuleType | None] = hookspecs

    @hookimpl
    def keyun_blueprints(self) -> Iterable[Blueprint]:
        yield views.blueprint(self.slot, disciplines(self.settings["disciplines"]))

    @hookimpl
    def keyun_api(self) -> Iterable[ApiBlueprint]:
        yield api.blueprint(f"{self.slot}-api")

    @hookimpl
    def keyun_commands(self) -> Iterable[click.Command]:
        return commands.commands()

    @hookimpl
    def keyun_permissions(self) -> Iterable[Permission]:
        user, both = frozenset({"user"}), frozenset({"user", "admin"})
        yield from services.offer_type().permissions()
        yield from services.need_type().permissions()
        yield Permission(f"{PERSON}.edit", "维护个人专长", "edit one's profile", user)
        yield Permission(
            "marketplace.request.send", "联系对方", "send a request", frozenset(), owner=True, level=1
        )
        yield Permission("marketplace.request.answer", "使用收件箱", "use the inbox", both)

    @hookimpl
    def keyun_content_types(self) -> Iterable[ContentType]:
        return (services.offer_type(), services.need_type())

    @hookimpl
    def keyun_importers(self) -> Iterable[Importer]:
        return importers.importers()

    @hookimpl
    def keyun_exporters(self) -> Iterable[Exporter]:
        return exporters.exporters()

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        yield MenuItem("marketplace.index", _("供需对接"), 10)
        if actor.is_user:
            yield MenuItem("marketplace.inbox", _("收件箱"), 80)

    @hookimpl
    def keyun_fragment(self, place: str, context: Mapping[str, object]) -> Iterable[Fragment]:
        if place == "home":
            yield Fragment(Markup(render_template("marketplace/home.html")), 10)
        if place == "account":
            yield Fragment(Markup(render_template("marketplace/account.html")), 10)

    @hookimpl
    def keyun_search_sources(self) -> Iterable[SearchSource]:
        for name in (OFFER, NEED):
            yield SearchSource(name, services.search_words)

    @hookimpl
    def keyun_jobs(self) -> Iterable[Job]:
        return jobs.jobs()

    @hookimpl
    def keyun_content_screen(self, actor: Actor, draft: Draft) -> Verdict | None:
        return screening.screen(draft)

    @hookimpl
    def keyun_committed(self, event: Committed) -> None:
        matchmaking.note(self.site, event)

    @hookimpl
    def keyun_erase_user(self, unit: UnitOfWork, user_id: int) -> None:
        services.forget(unit, user_id)

    @hookimpl
    def keyun_demo(self) -> Iterable[DemoFile]:
        for weight, name in enumerate(("people", "offers", "needs"), 60):
            with as_file(files("keyun_marketplace") / "demo" / f"{name}.jsonl") as path:
                yield DemoFile(name, path, weight)

    @hookimpl
    def keyun_checks(self) -> Iterable[Check]:
        yield Check("match index", lambda: matchmaking.problems(self.site))

    @hookimpl
    def keyun_derived(self) -> Iterable[Derived]:
        return matchmaking.derived(self.site)

    @hookimpl(optionalhook=True)
    def keyun_notices_attributes(self) -> Iterable[Mapping[str, Any]]:
        return attributes(disciplines(self.settings["disciplines"]))

    @hookimpl(trylast=True)
    def keyun_marketplace_bonuses(self) -> Iterable[Bonus]:
        for slot, added in self.settings["bonuses"].items():
            yield from (Bonus(f"{slot}.{name}", shares) for name, shares in added.items())

    @hookimpl(trylast=True)
    def keyun_marketplace_rescore(self, query: Query, found: Sequence[Found]) -> Sequence[Found] | None:
        return found

    @hookimpl(trylast=True)
    def keyun_marketplace_matcher(self, side: str, matcher: Asks) -> Asks | None:
        return matcher
