"""Hooks of 科普苑; it wires, it decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from flask import Blueprint
from flask_babel import lazy_gettext as _

from keyun.access import Actor
from keyun.content import ContentType, Draft, ReviewCheck, Verdict
from keyun.exchange import Exporter, Importer
from keyun.plugins import DemoFile, MenuItem, Permission, Plugin, hookimpl
from keyun.search import SearchSource
from keyun_popsci import api, exporters, importers, services, views
from keyun_popsci.models import ARTICLE

if TYPE_CHECKING:
    from flask_smorest import Blueprint as ApiBlueprint


class PopsciPlugin(Plugin):
    """Popular science."""

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
        return importers.importers()

    @hookimpl
    def keyun_exporters(self) -> Iterable[Exporter]:
        return exporters.exporters()

    @hookimpl
    def keyun_menu(self, actor: Actor) -> Iterable[MenuItem]:
        yield MenuItem("popsci.index", _("科普苑"), 20)

    @hookimpl
    def keyun_search_sources(self) -> Iterable[SearchSource]:
        yield SearchSource(ARTICLE)

    @hookimpl
    def keyun_content_screen(self, actor: Actor, draft: Draft) -> Verdict | None:
        return services.screen(draft)

    @hookimpl
    def keyun_review_checks(self, draft: Draft) -> Iterable[ReviewCheck]:
        return services.review_checks(draft)

    @hookimpl
    def keyun_demo(self) -> Iterable[DemoFile]:
        with as_file(files("keyun_popsci") / "demo" / "articles.jsonl") as path:
            yield DemoFile("articles", path, 40)

    @hookimpl(optionalhook=True)
    def keyun_notices_topics(self) -> Iterable[Mapping[str, Any]]:
        yield {"name": "popsci", "title": "科普", "title_en": "Popular science", "frequency": "weekly"}
