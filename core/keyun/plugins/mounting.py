"""Hang the pages and operations of plugins into the application, and try that before anything serves."""

from __future__ import annotations

import gettext
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask
from jinja2 import Environment, TemplateSyntaxError

from keyun.plugins.base import Plugin
from keyun.plugins.mapping import Fault

if TYPE_CHECKING:
    from flask import Blueprint
    from flask_smorest import Api
    from flask_smorest import Blueprint as ApiBlueprint

    from keyun.content.types import ContentType

API_ROOT = "/api/v1"
#: Where Flask keeps what acts on every request; a plugin acts on its own pages, and elsewhere by hooks.
SITE_WIDE = (
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "template_context_processors",
    "url_value_preprocessors",
    "url_default_functions",
    "error_handler_spec",
)


def mount_pages(app: Flask, plugin: Plugin, blueprints: Iterable[Blueprint]) -> None:
    """Mount page blueprints, named after the slot, below ``/<slot>``."""
    for blueprint in blueprints:
        if blueprint.name.partition("-")[0] != plugin.slot:
            raise Fault(f"blueprint {blueprint.name!r} must be named after {plugin.slot!r}")
        app.register_blueprint(blueprint, url_prefix=f"/{plugin.slot}{_prefix(blueprint)}")


def mount_api(api: Api, plugin: Plugin, blueprints: Iterable[ApiBlueprint]) -> None:
    """Mount API blueprints, named ``<slot>-api``, below ``/api/v1/<slot>``."""
    for blueprint in blueprints:
        if blueprint.name != f"{plugin.slot}-api":
            raise Fault(f"API blueprint {blueprint.name!r} must be named '{plugin.slot}-api'")
        api.register_blueprint(blueprint, url_prefix=f"{API_ROOT}/{plugin.slot}{_prefix(blueprint)}")


def _prefix(blueprint: Blueprint) -> str:
    """The prefix of its own; without a slash in front it would lead out of ``/<slot>``."""
    prefix = blueprint.url_prefix or ""
    if prefix and not prefix.startswith("/"):
        raise Fault(f"blueprint {blueprint.name!r}: url_prefix {prefix!r} must begin with a slash")
    return prefix


def try_mounting(
    plugin: Plugin, pages: list[Blueprint], operations: list[ApiBlueprint], kinds: Iterable[ContentType]
) -> None:
    """Mount everything on an application of its own.

    :raises Fault: when a name is wrong, a view is not marked, a type has no page, or something acts on
        the whole site.
    """
    app = Flask("keyun", static_folder=None)
    api = _api(app) if operations else None
    before = _site_wide(app)
    mount_pages(app, plugin, pages)
    if api is not None:
        mount_api(api, plugin, operations)
        api.spec.to_dict()
    if open_doors := unmarked(app):
        raise Fault(f"mark the view(s) {', '.join(open_doors)} @public or @requires(...)")
    own = {r.endpoint for r in app.url_map.iter_rules() if r.arguments == {"public_id"}}
    for kind in kinds:
        if kind.endpoint not in own:
            raise Fault(f"content type {kind.name}: {kind.endpoint!r} is no page of it that takes public_id")
    if wide := [name for name in SITE_WIDE if _site_wide(app)[name] != before[name]]:
        raise Fault(f"its blueprints act on the whole site ({', '.join(wide)}); use a hook instead")


def try_files(plugin: Plugin) -> None:
    """Read what every page of the site would stumble over: overrides of templates, and translations.

    :raises Fault: naming the file.
    """
    templates, translations = plugin.roots[0] / "templates", plugin.roots[0] / "translations"
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for path in sorted(templates.rglob("*.html")):
        # A page of its own breaks only itself.
        if path.relative_to(templates).parts[0] not in (plugin.slot, plugin.name):
            try:
                environment.parse(path.read_text(encoding="utf-8"))
            except (TemplateSyntaxError, UnicodeDecodeError) as e:
                raise Fault(f"{path}: {e}") from None
    for path in sorted(translations.rglob("*.mo")):
        try:
            with path.open("rb") as f:
                gettext.GNUTranslations(f)
        except (OSError, ValueError, struct.error) as e:
            why = getattr(e, "strerror", None) or e
            raise Fault(f"{path}: {why}; compile the translations again") from None


def unmarked(app: Flask) -> list[str]:
    """The endpoints of ``app`` that forgot to say who may call them; files are open to everybody."""
    return sorted(
        endpoint
        for endpoint, view in app.view_functions.items()
        if not endpoint.endswith(".static") and not hasattr(view, "keyun_access")
    )


def _site_wide(app: Flask) -> dict[str, int]:
    return {name: _count(getattr(app, name).get(None) or ()) for name in SITE_WIDE}


def _count(found: Any) -> int:
    return sum(len(v) for v in found.values()) if isinstance(found, dict) else len(found)


def _api(app: Flask) -> Api:
    from keyun.api.shell import make_api

    return make_api(app, "plugin")
