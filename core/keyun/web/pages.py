"""Home, language and health."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, jsonify, redirect, render_template
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from keyun import __version__
from keyun.errors import KeyunError
from keyun.web.context import site
from keyun.web.login import next_url

log = logging.getLogger(__name__)


def blueprint() -> Blueprint:
    """The entrance, and what monitors ask."""
    pages = Blueprint("home", __name__)
    pages.add_url_rule("/", "index", index)
    pages.add_url_rule("/lang", "lang", lang)
    pages.add_url_rule("/healthz", "health", health)
    pages.add_url_rule("/readyz", "ready", ready)
    return pages


def index() -> str:
    """The home page: one box to search, and what the plugins put here."""
    return render_template("keyun/home.html")


def lang() -> Response:
    """Remember the language of ``?lang=`` (every page does) and go back to ``next``."""
    return redirect(next_url(), 303)


def health() -> Response:
    """The process answers."""
    return Response("ok\n", mimetype="text/plain")


def ready() -> tuple[Response, int]:
    """Whether this process can serve, and which plugins it has; problems name their repair."""
    plugins = site().plugins
    answer: dict[str, Any] = {
        "version": __version__,
        "generation": site().generation,
        "plugins": sorted(p.name for p in plugins.plugins.values()),
        "faulted": {n: list(p) for n, p in plugins.faults.items() if n not in plugins.pending},
        "pending": sorted(plugins.pending),
        "database": "ok",
    }
    try:
        with site().reading() as unit:
            unit.session.execute(sa.text("SELECT 1 FROM core_region LIMIT 1"))
    except (SQLAlchemyError, KeyunError) as e:
        # Anybody may ask here, so the reason (a file, a host) goes to the log alone.
        log.error("the database cannot be used: %s", e)
        answer["database"] = "cannot be used; see the log and run `keyun doctor`"
        return jsonify(answer), 503
    return jsonify(answer), 200
