"""Pages of emergency knowledge."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import public, requires
from keyun.content import create, find, publish
from keyun.errors import Invalid
from keyun.web.context import actor, reading, writing
from keyun_emergency import services
from keyun_emergency.models import Resource
from keyun_emergency.services import HAZARDS, PHASES


def blueprint(name: str) -> Blueprint:
    """The pages, named after the slot ``name``."""
    pages = Blueprint(name, __name__, template_folder=None)
    pages.context_processor(lambda: {"HAZARDS": HAZARDS, "PHASES": PHASES})
    pages.add_url_rule("/", "index", index)
    pages.add_url_rule("/new", "new", new, methods=["GET", "POST"])
    pages.add_url_rule("/<public_id>", "resource", resource)
    return pages


@public
def index() -> str:
    """Resources by hazard."""
    wanted = request.args.get("hazard", "")
    hazard = wanted if wanted in HAZARDS else None
    return render_template("emergency/index.html", items=services.resources(reading(), hazard), hazard=hazard)


@public
def resource(public_id: str) -> str:
    """One resource."""
    return render_template("emergency/resource.html", item=find(actor(), reading(), Resource, public_id))


@requires("emergency.resource.create")
def new() -> str | Response | tuple[str, int]:
    """Write and publish a resource."""
    if request.method == "GET":
        return render_template("emergency/edit.html", values={}, errors={})
    form = request.form.to_dict()
    try:
        with writing() as unit:
            item = publish(actor(), unit, create(actor(), unit, services.resource_type(), form))
    except Invalid as e:
        return render_template("emergency/edit.html", values=form, errors=e.fields, message=str(e)), e.status
    flash(_("已提交审核。") if item.state == "submitted" else _("已发布。"), "success")
    return redirect(url_for(".resource", public_id=item.public_id), 303)
