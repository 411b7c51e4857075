"""Build the web application for one runtime and one set of plugins."""

from __future__ import annotations

from flask import Flask

from keyun import api, web
from keyun.errors import ConfigError
from keyun.plugins.mounting import mount_pages
from keyun.site import Site
from keyun.web.context import EXTENSION, close_reading

#: A request body is bounded; files have their own limits.
MAX_REQUEST_BYTES = 2 * 1024 * 1024


def create_app(site: Site) -> Flask:
    """Build the application; it owns nothing that must be closed. What a plugin brings was tried before."""
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
        mount_pages(app, plugin, blueprints)
    return app


def _secret(site: Site) -> bytes:
    path = site.runtime.config.secret_file
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing; run `keyun init` to create it") from None
