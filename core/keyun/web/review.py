"""The queue of texts that wait for a reviewer."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.content import Content, find, reject, release
from keyun.content.reviews import REVIEW as PERMISSION
from keyun.content.reviews import waiting
from keyun.errors import Invalid
from keyun.regions.codes import subtree
from keyun.web.context import actor, reading, site, writing

MOST = 50


def blueprint() -> Blueprint:
    """Review pages."""
    pages = Blueprint("review", __name__, url_prefix="/review")
    pages.add_url_rule("", "queue", queue)
    pages.add_url_rule("/<public_id>", "decide", decide, methods=["POST"])
    return pages


@requires(PERMISSION)
def queue() -> str:
    """What waits in the regions this reviewer answers for, oldest first."""
    return _queue()


@requires(PERMISSION)
def decide(public_id: str) -> Response | tuple[str, int]:
    """Let an item pass or send it back with a reason."""
    try:
        with writing() as unit:
            item = find(actor(), unit, Content, public_id)
            if request.form.get("decision") == "release":
                release(actor(), unit, item)
                flash(_("已通过并公开：%(title)s", title=item.title), "success")
            else:
                reject(actor(), unit, item, request.form.get("reason", ""))
                flash(_("已退回：%(title)s", title=item.title), "info")
    except Invalid as e:
        return _queue(public_id, e.fields), e.status
    return redirect(url_for(".queue"), 303)


def _queue(refused: str = "", errors: Mapping[str, list[str]] | None = None) -> str:
    g.private_page = True
    query = (
        sa.select(Content)
        .where(waiting(actor(), reading()))
        .options(joinedload(Content.organization))
        .order_by(Content.changed_at, Content.id)
        .limit(MOST + 1)
    )
    kind, region = request.args.get("type", ""), request.args.get("region", "")
    if kind in site().types:
        query = query.where(Content.type == kind)
    if region in site().regions:
        query = query.where(Content.region.between(*subtree(region)))
    found = list(reading().session.scalars(query))
    items = [c for c in found[:MOST] if site().access.allows(actor(), PERMISSION, c)]
    return render_template(
        "keyun/review.html",
        items=items,
        more=len(found) > MOST,
        types=site().types,
        refused=refused,
        errors=errors or {},
    )
