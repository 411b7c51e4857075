"""Pages of the resources: they parse, call a service, and render."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import public, requires
from keyun.content import asked, change, conditions, create, find, publish, withdraw
from keyun.errors import Conflict, Invalid
from keyun.regions import concerning
from keyun.web.context import actor, default_region, opened, reading, region_asked, site, writing
from keyun_emergency import services
from keyun_emergency.models import HAZARDS, RESOURCE, Resource
from keyun_emergency.schemas import CODES

Answer = str | Response | tuple[str, int]


def blueprint(name: str) -> Blueprint:
    """The pages, named after the slot ``name``."""
    pages = Blueprint(name, __name__)
    pages.context_processor(lambda: {"hazards": HAZARDS})
    pages.add_url_rule("/", "index", index)
    pages.add_url_rule("/new", "new", new, methods=["GET", "POST"])
    pages.add_url_rule("/<uuid:public_id>", "show", show)
    pages.add_url_rule("/<uuid:public_id>/edit", "edit", edit, methods=["GET", "POST"])
    pages.add_url_rule("/<uuid:public_id>/publish", "publish", make_public, methods=["POST"])
    pages.add_url_rule("/<uuid:public_id>/withdraw", "withdraw", take_back, methods=["POST"])
    return pages


@public
def index() -> str:
    """The hazards, and what there is about one of them or all."""
    named = request.args.get("hazard")
    hazard = named if named in CODES else None
    kind = site().content_type(RESOURCE)
    added = asked(kind, request.args)
    after = request.args.get("after") or None
    narrowed = (*conditions(kind, added), concerning(Resource.region, region_asked()))
    found = services.resources(actor(), reading(), hazard, after, conditions=narrowed)
    writes = site().access.allows(actor(), f"{RESOURCE}.create")
    own = services.drafts(actor(), reading()) if writes else ()
    return render_template("emergency/index.html", found=found, added=added, hazard=hazard, drafts=own)


@public
def show(public_id: uuid.UUID) -> str:
    """One resource with its source and who vouches for it."""
    item = find(actor(), reading(), Resource, str(public_id))
    opened(item)
    return render_template("emergency/show.html", item=item)


@requires(f"{RESOURCE}.create")
def new() -> Answer:
    """Write a resource; it is published at once or kept as a draft."""
    if request.method == "GET":
        return render_template(
            "emergency/edit.html", item=None, values={"region": default_region()}, errors={}
        )
    try:
        with writing() as unit:
            item = create(actor(), unit, services.resource_type(), request.form.to_dict())
            if request.form.get("publish"):
                publish(actor(), unit, item)
    except Invalid as e:
        return _again(e, None)
    return _done(item)


@requires(f"{RESOURCE}.create")
def edit(public_id: uuid.UUID) -> Answer:
    """Change a resource; what is public is screened again, the version guards somebody else's change."""
    seen = find(actor(), reading(), Resource, str(public_id))
    reading().require(actor(), f"{RESOURCE}.edit", seen)
    if request.method == "GET":
        return render_template(
            "emergency/edit.html",
            item=seen,
            values=site().content_type(seen.type).schema().dump(seen),
            errors={},
        )
    try:
        with writing() as unit:
            item = find(actor(), unit, Resource, str(public_id))
            change(actor(), unit, item, request.form.to_dict(), _version())
            if item.state in ("draft", "rejected") and request.form.get("publish"):
                publish(actor(), unit, item)
    except (Invalid, Conflict) as e:
        return _again(e, seen)
    return _done(item)


@requires(f"{RESOURCE}.create")
def make_public(public_id: uuid.UUID) -> Response:
    """Publish a draft."""
    with writing() as unit:
        item = find(actor(), unit, Resource, str(public_id))
        publish(actor(), unit, item)
    return _done(item)


@requires(f"{RESOURCE}.create")
def take_back(public_id: uuid.UUID) -> Response:
    """Withdraw a resource."""
    with writing() as unit:
        withdraw(actor(), unit, find(actor(), unit, Resource, str(public_id)))
    flash(_("已撤回，不再公开展示。"), "info")
    return redirect(url_for(".index"), 303)


def _version() -> int | None:
    """The version the writer saw."""
    text = request.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _again(error: Invalid | Conflict, item: Resource | None) -> Answer:
    """Show the form once more with what was typed and what is wrong with it; nothing is lost."""
    values: dict[str, Any] = request.form.to_dict()
    errors = error.fields if isinstance(error, Invalid) else {}
    page = render_template("emergency/edit.html", item=item, values=values, errors=errors, message=str(error))
    return page, error.status


def _done(item: Any) -> Response:
    if item.state == "published":
        flash(_("已发布。"), "success")
    elif item.state == "submitted":
        flash(_("已提交审核：%(why)s", why=item.note), "info")
    else:
        flash(_("已保存草稿。"), "info")
    return redirect(url_for(".show", public_id=item.public_id), 303)
