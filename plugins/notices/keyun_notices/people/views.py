"""The page on which one states what notices are chosen by."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.errors import Conflict, Invalid
from keyun.web.context import actor, reading, writing
from keyun_notices.people import services
from keyun_notices.people.core import TITLES

Answer = str | Response | tuple[str, int]


def blueprint(name: str) -> Blueprint:
    """The pages of the part ``people`` of the slot ``name``."""
    pages = Blueprint(f"{name}-people", __name__)
    pages.add_url_rule("/profile", "profile", profile, methods=["GET", "POST"])
    return pages


@requires("notices.profile.edit")
def profile() -> Answer:
    """State birth year, title and interests; everything may stay empty."""
    g.private_page = True
    if request.method == "GET":
        said = services.profile(actor(), reading())
        values = {"birth_year": said.birth_year, "title": said.title, "interests": "，".join(said.interests)}
        return _form(values, {}, "")
    try:
        with writing() as unit:
            services.save_profile(actor(), unit, request.form.to_dict())
    except (Invalid, Conflict) as e:
        errors = e.fields if isinstance(e, Invalid) else {}
        return _form(request.form.to_dict(), errors, str(e)), e.status
    flash(_("已保存。"), "success")
    return redirect(url_for(".profile"), 303)


def _form(values: dict[str, Any], errors: dict[str, list[str]], message: str) -> str:
    return render_template(
        "notices/profile.html", values=values, errors=errors, message=message, titles=TITLES
    )
