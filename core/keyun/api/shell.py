"""Put the API together: the core's operations, those of plugins, the description and its page."""

from __future__ import annotations

import http
from functools import cache
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Flask, Response, g, json, render_template
from flask_smorest import Api

from keyun import __version__
from keyun.access import public
from keyun.api import core, files, problems, reviews
from keyun.api.docs import chapters
from keyun.api.extensions import describe_added, with_extensions
from keyun.plugins.mounting import API_ROOT as ROOT
from keyun.plugins.mounting import mount_api
from keyun.site import Site
from keyun.web.context import actor

DESCRIPTION = (
    "程序用 `Authorization: Bearer <密钥>`；没有密钥时只见公开内容。错误是 application/problem+json，"
    "时刻都带时区（UTC），列表用 `after` 翻页。"
    " / Programs send `Authorization: Bearer <key>`; without one they see what is public. Errors are "
    "application/problem+json, moments carry their offset (UTC), lists are paged by `after`."
)


class KeyunApi(Api):  # type: ignore[misc]
    """flask-smorest without its error handlers, which would answer pages too and lose ``Allow``."""

    ERROR_SCHEMA = problems.ProblemSchema

    def _register_error_handlers(self) -> None:
        problems.install(self._app)

    def _register_responses(self) -> None:
        content = {problems.TYPE: {"schema": self.ERROR_SCHEMA}}
        for status in http.HTTPStatus:
            if status >= 400:
                described = {"description": status.phrase, "content": content}
                self.spec.components.response(status.name, described, lazy=True)
        described = {"description": "错误 / Error", "content": content}
        self.spec.components.response(self.DEFAULT_ERROR_RESPONSE_NAME, described, lazy=True)


def mount(app: Flask, site: Site) -> None:
    """See :func:`keyun.api.mount`."""
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    config = site.runtime.config.site
    api = make_api(app, f"{config['title']} / {config['title_en']} API")
    api.spec.components.security_scheme("key", {"type": "http", "scheme": "bearer"})
    api.register_blueprint(core.blueprint(), url_prefix=ROOT)
    api.register_blueprint(reviews.blueprint(), url_prefix=ROOT)
    api.register_blueprint(files.blueprint(), url_prefix=ROOT)
    for plugin, blueprints in site.plugins.api():
        mount_api(api, plugin, blueprints)
    app.register_blueprint(_pages(api, site), url_prefix=ROOT)
    app.before_request(_identify)


def make_api(app: Flask, title: str) -> KeyunApi:
    """The API of ``app``, without any operation yet."""
    app.config["PAGINATION_HEADER_NAME"] = None
    api = KeyunApi(app, spec_kwargs=_description(title))
    api.ma_plugin.converter.add_attribute_function(describe_added)
    return api


def schema_name(schema: Any) -> str:
    """The name of ``schema`` in the description: a plugin's carries the plugin's name, so none collide.

    A variant that leaves fields out has no name of its own and stands where it is used.
    """
    kind = schema if isinstance(schema, type) else type(schema)
    if not isinstance(schema, type) and (schema.only or schema.exclude or schema.partial):
        return ""
    package = kind.__module__.partition(".")[0].removeprefix("keyun").strip("_")
    prefix = "".join(part.capitalize() for part in package.split("_"))
    return prefix + (kind.__name__.removesuffix("Schema") or kind.__name__)


def _description(title: str) -> dict[str, Any]:
    return {
        "title": title,
        "version": __version__,
        "openapi_version": "3.1.0",
        "info": {"description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=schema_name),
    }


def _identify() -> None:
    """Refuse a wrong key at once, and keep what only its holder may see out of every cache."""
    if problems.is_api():
        g.private_page = actor().is_user


def _pages(api: Api, site: Site) -> Blueprint:
    pages = Blueprint("api", __name__)
    converter = api.ma_plugin.converter

    @cache
    def spec() -> dict[str, Any]:
        described: dict[str, Any] = api.spec.to_dict()
        return with_extensions(described, site, converter)

    @public
    def openapi() -> Response:
        """The description for programs."""
        return Response(json.dumps(spec(), indent=1), mimetype="application/json")

    @public
    def docs() -> str:
        """The same description for people; it needs no script and asks no other server."""
        described = spec()
        return render_template("keyun/api_docs.html", info=described["info"], chapters=chapters(described))

    pages.add_url_rule("/openapi.json", "openapi", openapi)
    pages.add_url_rule("/docs", "docs", docs)
    return pages
