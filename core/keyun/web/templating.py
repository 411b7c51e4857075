"""Where templates come from, and what every template may use."""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, url_for
from flask_babel import format_datetime
from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, PrefixLoader
from markupsafe import Markup

from keyun.content.render import markdown, plain
from keyun.hookspecs import MenuItem
from keyun.plugins.base import Plugin
from keyun.site import Site
from keyun.web import extensions
from keyun.web.appearance import canonical_url, switch_size_url, text_size, this_page
from keyun.web.assets import static_url
from keyun.web.context import actor, default_region, region_argument, subsite
from keyun.web.i18n import LANGUAGES, language, one_language
from keyun.web.overrides import Overrides

log = logging.getLogger(__name__)


def mount(app: Flask, site: Site) -> None:
    """Install the loader and the functions and values of every template."""
    app.jinja_env.loader = loader(site)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    config = site.runtime.config.site

    def fragments(place: str, **context: Any) -> list[Markup]:
        found: Mapping[str, object] = {"actor": actor(), **context}
        here = subsite()
        # A sub-site that chose its menu chose its capabilities; an account is the same everywhere.
        only = here.menu if here and place == "home" else ()
        return [f.html for f in site.plugins.fragments(place, found, only)]

    def menu() -> list[MenuItem]:
        found = (usable(item) for item in site.plugins.menu(actor()))
        return chosen([item for item in found if item is not None])

    app.jinja_env.filters["one_language"] = one_language
    app.jinja_env.globals.update(
        config_site=config,
        home_region=config["region"],
        main_title=lambda: config["title"] if language() == "zh" else config["title_en"],
        site_title=lambda: site_title(config),
        default_region=default_region,
        region_argument=region_argument,
        menu=menu,
        fragments=fragments,
        region_name=lambda code: site.regions.name(code),
        region_choices=lambda: region_choices(site),
        local_time=local_time,
        markdown=markdown,
        added_inputs=partial(extensions.inputs, site),
        added_filters=partial(extensions.filters, site),
        added_facts=partial(extensions.facts, site),
        can=lambda permission, subject=None: site.access.allows(actor(), permission, subject),
        static_url=static_url(site),
        switch_lang_url=switch_lang_url,
        text_size=text_size,
        switch_size_url=switch_size_url,
        canonical_url=canonical_url,
        police_url=lambda: police_url(config["police"]),
        plain=plain,
    )
    app.context_processor(lambda: {"actor": actor(), "current_lang": language()})


def usable(item: MenuItem) -> MenuItem | None:
    """``item`` as it reads now; None, and a line in the log, when it leads nowhere or cannot be read."""
    try:
        url_for(item.endpoint)
        return replace(item, label=str(item.label))
    # A stranger's entry stands in every page.
    except Exception as e:
        log.error("menu entry %r is left out: %s: %s", item.endpoint, type(e).__name__, e)
        return None


def chosen(items: list[MenuItem]) -> list[MenuItem]:
    """The entries that a sub-site wants, in its order; all of them on the main site."""
    found = subsite()
    if found is None or not found.menu:
        return items
    places = {slot: n for n, slot in enumerate(found.menu)}
    slots = [(places.get(re.split("[.-]", i.endpoint)[0]), i) for i in items]
    return [i for _place, i in sorted(((p, i) for p, i in slots if p is not None), key=lambda pair: pair[0])]


def site_title(config: Mapping[str, Any]) -> str:
    """The name of the sub-site, or of the whole site."""
    found = subsite()
    zh, en = (found.name, found.name_en) if found else (config["title"], config["title_en"])
    return str(zh if language() == "zh" else en or zh)


def loader(site: Site) -> BaseLoader:
    """The instance first, then plugins from the last loaded to the first, then the core.

    ``@popsci/…`` always means the copy popsci ships, and ``@core/…`` the core's, so that an override
    can extend what it overrides.
    """
    return ChoiceLoader([Overrides(site.runtime.instance / "templates"), shipped(site)])


def shipped(site: Site) -> BaseLoader:
    """Templates as the core and the plugins bring them, the last loaded first."""
    core = FileSystemLoader(Path(__file__).parent.parent / "templates")
    own = {s: FileSystemLoader([r / "templates" for r in p.roots]) for s, p in site.plugins.plugins.items()}
    originals: dict[str, BaseLoader] = {"@core": core}
    for slot, plugin in site.plugins.plugins.items():
        originals[f"@{slot}"] = _original(plugin)
    return ChoiceLoader([*reversed(own.values()), core, PrefixLoader(originals)])


def _original(plugin: Plugin) -> BaseLoader:
    return FileSystemLoader(plugin.roots[-1] / "templates")


def local_time(moment: dt.datetime | None) -> str:
    """A moment in the zone of the association."""
    return format_datetime(moment, "yyyy-MM-dd HH:mm") if moment else ""


def police_url(number: str) -> str:
    """Where the public-security filing of this site can be looked up."""
    digits = re.search(r"\d{8,}", number)
    return (
        f"https://beian.mps.gov.cn/#/query/webSearch?code={digits[0]}"
        if digits
        else "https://beian.mps.gov.cn/"
    )


def switch_lang_url() -> str:
    """The address that shows this page in the other language."""
    other = LANGUAGES[1 - LANGUAGES.index(language())]
    kept = re.sub(r"([?&])lang=[a-z]*(&|$)", r"\1", this_page()).rstrip("?&")
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
