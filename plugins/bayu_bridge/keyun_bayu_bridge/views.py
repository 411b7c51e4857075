"""The page of this node."""

from __future__ import annotations

from flask import Blueprint, render_template

from keyun.access import public
from keyun.web.context import actor, reading
from keyun_bayu_bridge import services


def blueprint(name: str) -> Blueprint:
    """The page, named after the slot ``name``."""
    pages = Blueprint(name, __name__)
    pages.add_url_rule("/", "index", index)
    return pages


@public
def index() -> str:
    """Who runs this node, and what it would share."""
    return render_template("bayu_bridge/index.html", node=services.node(actor(), reading()))
