"""Build the web application for one runtime and one set of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from keyun import api, web
from keyun.errors import ConfigError, PluginError
from keyun.plugins.base import Plugin
from keyun.site import Site
from keyun.web.context import EXTENSION, close_reading

if TYPE_CHECKING:
    from flask import Blueprint

#: A request body is bounded; files have their own limits.
MAX_REQUEST_BYTES = 2 * 1024 * 1024


def create_app(site: Site) -> Flask:
    """Build the application; it owns nothing that must be closed.

    :raises PluginError: when a plugin's pages break a rule of the contract.
    """
    app = Flask("keyun", instance_path=str(site.runtime.instance.resolve()), static_folder=None)
    app.extensions[EXTENSION] = site
    app.config.update(
        SECRET_KEY=_secret(site),
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST_BYTES,
        SESSION_COOKIE_NAME="keyun",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=site.runtime.config.web["secure_cookies"],
    )
    app.teardown_request(close_reading)
    web.mount(app, site)
    api.mount(app, site)
    for plugin, blueprints in site.plugins.blueprints():
        for blueprint in blueprints:
            _mount(app, plugin, blueprint)
    if open_doors := unmarked(app, set(site.plugins.plugins)):
        raise PluginError([f"{e}: mark the view @public or @requires(...)" for e in open_doors])
    return app


def _mount(app: Flask, plugin: Plugin, blueprint: Blueprint) -> None:
    if blueprint.name.partition("-")[0] != plugin.slot:
        raise PluginError(
            [f"{plugin.name}: blueprint {blueprint.name!r} must be named after {plugin.slot!r}"]
        )
    app.register_blueprint(blueprint, url_prefix=f"/{plugin.slot}{blueprint.url_prefix or ''}")


def unmarked(app: Flask, slots: set[str]) -> list[str]:
    """The plugin endpoints that forgot to say who may call them."""
    return sorted(
        endpoint
        for endpoint, view in app.view_functions.items()
        if endpoint.partition(".")[0].partition("-")[0] in slots
        and not endpoint.endswith(".static")
        and not hasattr(view, "keyun_access")
    )


def _secret(site: Site) -> bytes:
    path = site.runtime.config.secret_file
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing; run `keyun init` to create it") from None
