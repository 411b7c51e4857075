"""Static files of the core and of plugins, with addresses that change with the content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from flask import Blueprint, abort, request, send_from_directory, url_for
from werkzeug.security import safe_join
from werkzeug.wrappers import Response

from keyun.site import Site
from keyun.web.context import main_root

YEAR = 365 * 24 * 3600
HOUR = 3600


def folders(site: Site) -> dict[str, list[Path]]:
    """Where static files lie, by slot; the first folder that has a file wins.

    The instance comes first, then plugins from the last loaded to the first, then the core.
    """
    plugins = site.plugins.plugins
    roots = [root for p in reversed(plugins.values()) for root in p.roots]
    places = [site.runtime.instance, *roots, Path(__file__).parent.parent]
    return {slot: [place / "static" / slot for place in places] for slot in ("keyun", *plugins)}


def blueprint(site: Site) -> Blueprint:
    """Serve ``/static/<slot>/<path>``; an address with a hash is kept for a year, another for an hour."""
    places = folders(site)
    assets = Blueprint("static", __name__)

    @assets.get("/static/<slot>/<path:path>", endpoint="file")
    def file(slot: str, path: str) -> Response:
        folder, found = _find(places, slot, path)
        if found is None:
            abort(404)
        response = send_from_directory(folder, path, max_age=YEAR if request.args.get("v") else HOUR)
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    @assets.get("/favicon.ico", endpoint="favicon")
    def favicon() -> Response:
        folder, _found = _find(places, "keyun", "favicon.svg")
        return send_from_directory(folder, "favicon.svg", max_age=HOUR)

    return assets


def static_url(site: Site) -> Callable[[str, str], str]:
    """A function ``(slot, path) -> address`` that adds the hash of the file; each file is read once."""
    places, known = folders(site), dict[tuple[str, str], str]()

    def address(slot: str, path: str) -> str:
        if (slot, path) not in known:
            _folder, found = _find(places, slot, path)
            if found is None:
                raise FileNotFoundError(f"no static file {path!r} in {slot!r}; a template names it")
            known[slot, path] = hashlib.sha256(found.read_bytes()).hexdigest()[:12]
        here = url_for("static.file", slot=slot, path=path, v=known[slot, path])
        # Sub-sites share the files of the main site, so that a browser keeps each once.
        return main_root() + here.removeprefix(request.script_root)

    return address


def _find(places: Mapping[str, Iterable[Path]], slot: str, path: str) -> tuple[Path, Path | None]:
    """The folder that has the file, and the file."""
    for folder in places.get(slot, ()):
        joined = safe_join(str(folder), path)
        if joined is not None and Path(joined).is_file():
            return folder, Path(joined)
    return Path(), None
