"""The page of this node."""

from __future__ import annotations

from flask import Blueprint, render_template

from keyun.access import public
from keyun.web.context import reading, site
from keyun_bayu_bridge.services import SHARES, node


def blueprint(name: str) -> Blueprint:
    """One page, named after the slot ``name``."""
    pages = Blueprint(name, __name__, template_folder=None)
    pages.add_url_rule("/", "index", index)
    return pages


@public
def index() -> str:
    """What this node is and what it would share."""
    return render_template("bayu_bridge/index.html", node=node(reading()), types=site().types, shares=SHARES)
