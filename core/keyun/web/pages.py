"""Home, language and health."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, jsonify, render_template
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from keyun import __version__
from keyun.errors import KeyunError
from keyun.web.context import reading, site


def blueprint() -> Blueprint:
    """The entrance, and what monitors ask."""
    pages = Blueprint("home", __name__)
    pages.add_url_rule("/", "index", index)
    pages.add_url_rule("/healthz", "health", health)
    pages.add_url_rule("/readyz", "ready", ready)
    return pages


def index() -> str:
    """The home page: one box to search, and what the plugins put here."""
    return render_template("keyun/home.html")


def health() -> Response:
    """The process answers."""
    return Response("ok\n", mimetype="text/plain")


def ready() -> tuple[Response, int]:
    """Whether this process can serve, and which plugins it has; problems name their repair."""
    plugins = site().plugins
    answer = {
        "version": __version__,
        "generation": site().generation,
        "plugins": sorted(p.name for p in plugins.plugins.values()),
        "faulted": {n: list(p) for n, p in plugins.faults.items() if n not in plugins.pending},
        "pending": sorted(plugins.pending),
        "database": "ok",
    }
    try:
        reading().session.execute(sa.text("SELECT 1 FROM core_region LIMIT 1"))
    except (SQLAlchemyError, KeyunError) as e:
        answer["database"] = f"{type(e).__name__}; run `keyun doctor`"
        return jsonify(answer), 503
    return jsonify(answer), 200
