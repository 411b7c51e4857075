"""Hooks of 应急科普; it wires, it decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from flask import Blueprint
from flask_babel import lazy_gettext as _

from keyun.access import Actor
from keyun.content import ContentField, ContentType, Draft, Verdict
from keyun.exchange import Exporter, Importer
from keyun.plugins import DemoFile, MenuItem, Permission, Plugin, hookimpl
from keyun.search import SearchSource
from keyun_emergency import api, exporters, importers, services, views
from keyun_emergency.models import RESOURCE

if TYPE_CHECKING:
    from flask_smorest import Blueprint as ApiBlueprint


class EmergencyPlugin(Plugin):
    """What to do in a hazard."""

    @hookimpl
    def keyun_blueprints(self) -> Iterable[Blueprint]:
        yield views.blueprint(self.slot)

    @hookimpl
    def keyun_api(self) -> Iterable[ApiBlueprint]:
        yield api.blueprint(f"{self.slot}-api")

    @hookimpl
    def keyun_permissions(self) -> Iterable[Permission]:
        return services.permissions()

    @hookimpl
    def keyun_content_types(self) -> Iterable[ContentType]:
        yield services.resource_type()

    @hookimpl
    def keyun_content_fields(self) -> Iterable[ContentField]:
        yield services.hazard_field()

    @hookimpl
    def keyun_importers(self) -> Iterable[Importer]:
        return importers.importers()

    @hookimpl
    def keyun_exporters(self) -> Iterable[Exporter]:
        return exporters.exporters()

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        yield MenuItem("emergency.index", _("应急科普"), 30)

    @hookimpl
    def keyun_search_sources(self) -> Iterable[SearchSource]:
        yield SearchSource(RESOURCE)

    @hookimpl
    def keyun_content_screen(self, actor: Actor, draft: Draft) -> Verdict | None:
        return services.screen(draft)

    @hookimpl
    def keyun_demo(self) -> Iterable[DemoFile]:
        with as_file(files("keyun_emergency") / "demo" / "resources.jsonl") as path:
            yield DemoFile("resources", path, 41)

    @hookimpl(optionalhook=True)
    def keyun_notices_topics(self) -> Iterable[Mapping[str, Any]]:
        yield {"name": "emergency", "title": "应急预警", "title_en": "Emergencies", "weight": 5}
