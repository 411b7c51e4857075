"""Static files of the core and of plugins, with addresses that change with the content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, abort, send_from_directory, url_for
from werkzeug.wrappers import Response

from keyun.site import Site

YEAR = 365 * 24 * 3600


def folders(site: Site) -> dict[str, list[Path]]:
    """Where static files lie, by slot; the first folder that has a file wins."""
    found = {"keyun": [Path(__file__).parent.parent / "static" / "keyun"]}
    for slot, plugin in site.plugins.plugins.items():
        found[slot] = [root / "static" / slot for root in plugin.roots]
    return found


def blueprint(site: Site) -> Blueprint:
    """Serve ``/static/<slot>/<path>``; the hash in the address lets browsers keep a file for a year."""
    places = folders(site)
    assets = Blueprint("static", __name__)

    @assets.get("/static/<slot>/<path:path>", endpoint="file")
    def file(slot: str, path: str) -> Response:
        for folder in places.get(slot, ()):
            if (folder / path).is_file():
                return send_from_directory(folder, path, max_age=YEAR)
        abort(404)

    @assets.get("/favicon.ico", endpoint="favicon")
    def favicon() -> Response:
        return send_from_directory(places["keyun"][0], "favicon.svg", max_age=YEAR)

    return assets


def static_url(site: Site) -> Callable[[str, str], str]:
    """A function ``(slot, path) -> address`` that adds the hash of the file; hashes are read once."""
    places, known = folders(site), dict[tuple[str, str], str]()

    def address(slot: str, path: str) -> str:
        if (slot, path) not in known:
            data = next((f / path for f in places.get(slot, ()) if (f / path).is_file()), None)
            known[slot, path] = hashlib.sha256(data.read_bytes()).hexdigest()[:12] if data else "missing"
        return url_for("static.file", slot=slot, path=path, v=known[slot, path])

    return address
