"""Where templates come from, and what every template may use."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, request, url_for
from flask_babel import format_datetime
from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, PrefixLoader
from markupsafe import Markup

from keyun.content.render import markdown
from keyun.hookspecs import MenuItem
from keyun.plugins.base import Plugin
from keyun.site import Site
from keyun.web.assets import static_url
from keyun.web.context import actor
from keyun.web.i18n import LANGUAGES, language, one_language

log = logging.getLogger(__name__)


def mount(app: Flask, site: Site) -> None:
    """Install the loader and the functions and values of every template."""
    app.jinja_env.loader = loader(site)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    config = site.runtime.config.site

    def fragments(place: str, **context: Any) -> list[Markup]:
        found: Mapping[str, object] = {"actor": actor(), **context}
        return [f.html for f in site.plugins.fragments(place, found)]

    def menu() -> list[MenuItem]:
        items = site.plugins.menu(actor())
        for item in items:
            if item.endpoint not in app.view_functions:
                log.error("menu entry %r leads to no page; left out", item.endpoint)
        return [i for i in items if i.endpoint in app.view_functions]

    app.jinja_env.filters["one_language"] = one_language
    app.jinja_env.globals.update(
        config_site=config,
        home_region=config["region"],
        site_title=lambda: config["title"] if language() == "zh" else config["title_en"],
        menu=menu,
        fragments=fragments,
        region_name=lambda code: site.regions.name(code),
        region_choices=lambda: region_choices(site),
        local_time=local_time,
        markdown=markdown,
        can=lambda permission, subject=None: site.access.allows(actor(), permission, subject),
        static_url=static_url(site),
        switch_lang_url=switch_lang_url,
    )
    app.context_processor(lambda: {"actor": actor(), "current_lang": language()})


def loader(site: Site) -> BaseLoader:
    """The instance first, then plugins from the last loaded to the first, then the core.

    ``@popsci/…`` always means the copy popsci ships, and ``@core/…`` the core's, so that an override
    can extend what it overrides.
    """
    core = FileSystemLoader(Path(__file__).parent.parent / "templates")
    own = {s: FileSystemLoader([r / "templates" for r in p.roots]) for s, p in site.plugins.plugins.items()}
    originals: dict[str, BaseLoader] = {"@core": core}
    for slot, plugin in site.plugins.plugins.items():
        originals[f"@{slot}"] = _original(plugin)
    overrides = FileSystemLoader(site.runtime.instance / "templates")
    return ChoiceLoader([overrides, *reversed(own.values()), core, PrefixLoader(originals)])


def _original(plugin: Plugin) -> BaseLoader:
    return FileSystemLoader(plugin.roots[-1] / "templates")


def local_time(moment: dt.datetime | None) -> str:
    """A moment in the zone of the association."""
    return format_datetime(moment, "yyyy-MM-dd HH:mm") if moment else ""


def switch_lang_url() -> str:
    """The address that shows this page in the other language."""
    other = LANGUAGES[1 - LANGUAGES.index(language())]
    here = request.full_path.rstrip("?") if request.method == "GET" and request.endpoint else "/"
    kept = re.sub(r"([?&])lang=[a-z]*(&|$)", r"\1", here).rstrip("?&")
    return url_for("home.lang", lang=other, next=kept)


def region_choices(site: Site) -> list[tuple[str, list[tuple[str, str]]]]:
    """The places of the home region for a select box: (city, [(code, name), …]), each city itself first."""

    def make() -> list[tuple[str, list[tuple[str, str]]]]:
        home = site.runtime.config.site["region"]
        tree = site.regions
        groups: list[tuple[str, list[tuple[str, str]]]] = []
        if home not in tree:
            return groups
        groups.append((tree.get(home).name, [(home, tree.get(home).name)]))
        for city in tree.children(home):
            if city.kind == "pseudo":
                groups.append((tree.get(home).name, [(c.code, c.name) for c in tree.children(city.code)]))
                continue
            below = [(c.code, c.name) for c in tree.children(city.code) if c.kind == "official"]
            groups.append((city.name, [(city.code, city.name), *below]))
        return groups

    return site.runtime.derived("web.region_choices", make)
