"""The queue of texts that wait for a reviewer."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.content import Content, find, reject, release
from keyun.web.context import actor, reading, site, writing

MOST = 200


def blueprint() -> Blueprint:
    """Review pages."""
    pages = Blueprint("review", __name__, url_prefix="/review")
    pages.add_url_rule("", "queue", queue)
    pages.add_url_rule("/<public_id>", "decide", decide, methods=["POST"])
    return pages


@requires("core.content.review")
def queue() -> str:
    """What waits in the regions this reviewer answers for, oldest first."""
    unit = reading()
    query = (
        sa.select(Content)
        .where(Content.state == "submitted")
        .options(joinedload(Content.organization))
        .order_by(Content.changed_at, Content.id)
        .limit(MOST)
    )
    access = site().access
    items = [c for c in unit.session.scalars(query) if access.allows(actor(), "core.content.review", c)]
    return render_template("keyun/review.html", items=items, types=site().types)


@requires("core.content.review")
def decide(public_id: str) -> Response:
    """Let an item pass or send it back with a reason."""
    with writing() as unit:
        item = find(actor(), unit, Content, public_id)
        if request.form.get("decision") == "release":
            release(actor(), unit, item)
            flash(_("已通过并公开：%(title)s", title=item.title), "success")
        else:
            reject(actor(), unit, item, request.form.get("reason", ""))
            flash(_("已退回：%(title)s", title=item.title), "info")
    return redirect(url_for(".queue"), 303)
