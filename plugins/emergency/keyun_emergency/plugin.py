"""Hooks of emergency knowledge; it wires, it decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from importlib.resources import as_file, files

from flask import Blueprint
from flask_babel import lazy_gettext as _

from keyun.access import Actor
from keyun.content import ContentType
from keyun.exchange import Importer
from keyun.plugins import DemoFile, MenuItem, Permission, Plugin, hookimpl
from keyun.search import SearchSource
from keyun_emergency import services, views
from keyun_emergency.models import RESOURCE


class EmergencyPlugin(Plugin):
    """应急科普."""

    @hookimpl
    def keyun_blueprints(self) -> Iterable[Blueprint]:
        yield views.blueprint(self.slot)

    @hookimpl
    def keyun_permissions(self) -> Iterable[Permission]:
        editors = frozenset({"editor", "staff", "admin"})
        for permission in services.resource_type().permissions():
            yield replace(permission, roles=editors) if permission.name.endswith(".create") else permission

    @hookimpl
    def keyun_content_types(self) -> Iterable[ContentType]:
        yield services.resource_type()

    @hookimpl
    def keyun_importers(self) -> Iterable[Importer]:
        yield services.importer()

    @hookimpl
    def keyun_search_sources(self) -> Iterable[SearchSource]:
        yield SearchSource(RESOURCE, lambda item: item.hazard)

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        yield MenuItem("emergency.index", _("应急科普"), 30)

    @hookimpl
    def keyun_demo(self) -> Iterable[DemoFile]:
        with as_file(files("keyun_emergency") / "demo" / "resources.jsonl") as path:
            yield DemoFile("resources", path, 71)
