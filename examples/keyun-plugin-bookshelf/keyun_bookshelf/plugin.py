"""Hooks of this plugin; it wires, it decides nothing."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint
from flask_babel import lazy_gettext as _

from keyun.access import Actor
from keyun.api import ApiBlueprint
from keyun.content import ContentType, Draft, Verdict
from keyun.exchange import Exporter, Importer
from keyun.plugins import MenuItem, Permission, Plugin, hookimpl
from keyun.search import SearchSource
from keyun_bookshelf import api, services, views
from keyun_bookshelf.models import ARTICLE


class BookshelfPlugin(Plugin):
    """Articles as a reading list, in the slot of popsci."""

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
        yield services.article_type()

    @hookimpl
    def keyun_importers(self) -> Iterable[Importer]:
        return services.importers()

    @hookimpl
    def keyun_exporters(self) -> Iterable[Exporter]:
        return services.exporters()

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        yield MenuItem("popsci.index", _("阅读书架"), 20)

    @hookimpl
    def keyun_search_sources(self) -> Iterable[SearchSource]:
        yield SearchSource(ARTICLE)

    @hookimpl
    def keyun_content_screen(self, actor: Actor, draft: Draft) -> Verdict | None:
        return services.screen(draft)
