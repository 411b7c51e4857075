"""Home, language and health."""

from __future__ import annotations

import logging
import os
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, jsonify, redirect, render_template
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from keyun import __version__
from keyun.errors import KeyunError
from keyun.serving import record
from keyun.sites.services import home_text, newest
from keyun.web.context import reading, site, subsite
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
    """The home page: a box to search and what plugins put here; of a sub-site, also what is new there."""
    here = subsite()
    if here is None:
        return render_template("keyun/home.html")
    unit = reading()
    found, text = newest(unit, here.region, here.menu), home_text(unit, here.slug)
    return render_template("keyun/subsite.html", items=found, text=text, types=site().types)


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
        "pid": os.getpid(),
        "generation": site().generation,
        "plugins": sorted(p.name for p in plugins.plugins.values()),
        "faulted": {n: list(p) for n, p in plugins.faults.items() if n not in plugins.pending},
        "pending": sorted(plugins.pending),
        "suspended": plugins.suspended(),
        "refused": _refused(),
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


def _refused() -> dict[str, Any] | None:
    """The change that the server did not take, and why; None when what serves is what is wanted."""
    server = record.read(site().runtime.instance)
    if server is None or server.refused is None:
        return None
    refused = server.refused
    return {"generation": refused.generation, "reasons": list(refused.reasons), "at": refused.at}
