"""Requests for sub-sites: the prefix ``/s/<slug>`` moves to SCRIPT_NAME, so that every link stays inside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Blueprint, Flask, request
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from keyun.errors import NotFound
from keyun.site import Site
from keyun.sites.directory import directory
from keyun.web.context import SUBSITE, main_root, subsite

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/s/"
#: What has one address for all sub-sites: files that browsers keep, and the interface for programs.
SHARED = ("static/", "api/", "favicon.ico", "healthz", "readyz")


class Middleware:
    """Finds the sub-site of each request by its path, else by its host."""

    def __init__(self, inner: WSGIApplication, site: Site) -> None:
        self.inner, self.site = inner, site

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        path = environ.get("PATH_INFO", "")
        known = directory(self.site.runtime)
        if path.startswith(PREFIX):
            slug, slash, rest = path.removeprefix(PREFIX).partition("/")
            found = known.called(slug)
            if found is None:
                return self.inner(environ, start_response)
            root = environ.get("SCRIPT_NAME", "")
            if not slash:
                return _moved(environ, f"{root}{found.prefix}/")(environ, start_response)
            if rest.startswith(SHARED):
                return _moved(environ, f"{root}/{rest}")(environ, start_response)
            environ[SUBSITE] = found
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = root + found.prefix, f"/{rest}"
        elif not path.startswith(tuple(f"/{s}" for s in SHARED)):
            environ[SUBSITE] = known.at_host(asked_host(environ))
        return self.inner(environ, start_response)


def asked_host(environ: WSGIEnvironment) -> str:
    """The host that was asked for, without a port, in lower case; it is only compared, never shown."""
    return str(environ.get("HTTP_HOST", "")).partition(":")[0].lower()


def _moved(environ: WSGIEnvironment, path: str) -> Response:
    """An answer that leads to ``path`` with the same question and the same method."""
    question = environ.get("QUERY_STRING", "")
    # Decoded by the server: what is no part of a path, a line break or a question mark, must not get out.
    address = quote(path.encode("latin-1"))
    return redirect(address + (f"?{question}" if question else ""), 308)


def mount(app: Flask, site: Site) -> None:
    """Put the middleware in front of the application, and what templates need to know."""
    app.wsgi_app = Middleware(app.wsgi_app, site)  # type: ignore[method-assign]
    app.jinja_env.globals.update(subsite=subsite, at_root=at_root, main_address=lambda: main_address(site))


def blueprint() -> Blueprint:
    """What answers below ``/s/`` when no sub-site does."""
    pages = Blueprint("subsites", __name__)
    for rule in ("/s/<slug>", "/s/<slug>/", "/s/<slug>/<path:rest>"):
        pages.add_url_rule(rule, "unknown", unknown)
    return pages


def unknown(slug: str, rest: str = "") -> str:
    """There is no such sub-site, or it is closed."""
    raise NotFound(
        f"没有名为 {slug[:40]} 的子站，它可能已经关闭或改名；内容仍可在主站找到。"
        f" (There is no sub-site of this name; its contents are on the main site.)"
    )


def at_root(address: str) -> str:
    """``address`` without the prefix of the sub-site, for what all sub-sites share."""
    return main_root() + address.removeprefix(request.script_root)


def main_address(site: Site) -> str | None:
    """The home page of the main site, as seen from a sub-site; None when nobody told us its host."""
    found = subsite()
    if found is not None and request.script_root.endswith(found.prefix):
        return f"{main_root()}/"
    return f"{site.runtime.config.site['url']}/" if site.runtime.config.site["url"] else None
