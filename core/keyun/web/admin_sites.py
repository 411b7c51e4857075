"""Sub-sites in the admin area: list, open, change and remove them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.errors import Invalid
from keyun.sites.models import SubSite
from keyun.sites.schemas import COLOURS, SubSiteForm
from keyun.sites.services import EDIT, add_site, change_site, find_site, list_sites, menu_choices, remove_site
from keyun.web.context import actor, reading, writing

Answer = str | Response | tuple[str, int]


def add_to(pages: Blueprint) -> None:
    """Hang the pages below ``/admin/sites``."""
    pages.add_url_rule("/sites", "sites", index)
    pages.add_url_rule("/sites/new", "new_site", new, methods=["GET", "POST"])
    pages.add_url_rule("/sites/<slug>", "edit_site", edit, methods=["GET", "POST"])
    pages.add_url_rule("/sites/<slug>/remove", "remove_site", remove, methods=["POST"])


@requires(EDIT)
def index() -> str:
    """The sub-sites of the regions that this administrator answers for."""
    return render_template("keyun/admin/sites.html", sites=list_sites(actor(), reading()))


@requires(EDIT)
def new() -> Answer:
    """Open a sub-site."""
    if request.method == "GET":
        return _form(None, {"active": True})
    try:
        with writing() as unit:
            made = add_site(actor(), unit, _typed())
    except Invalid as e:
        return _form(None, _typed(), e), e.status
    flash(_("子站 %(name)s 已开通。", name=made.name), "success")
    return redirect(url_for(".sites"), 303)


@requires(EDIT)
def edit(slug: str) -> Answer:
    """Change a sub-site."""
    known = find_site(actor(), reading(), slug)
    if request.method == "GET":
        return _form(known, {n: getattr(known, n) for n in SubSiteForm().fields})
    try:
        with writing() as unit:
            change_site(actor(), unit, find_site(actor(), unit, slug), _typed() | {"slug": slug})
    except Invalid as e:
        return _form(known, _typed() | {"slug": slug}, e), e.status
    flash(_("已保存，各进程两秒内生效。"), "success")
    return redirect(url_for(".sites"), 303)


@requires(EDIT)
def remove(slug: str) -> Response:
    """Remove a sub-site; its contents stay."""
    with writing() as unit:
        remove_site(actor(), unit, find_site(actor(), unit, slug))
    flash(_("子站 %(slug)s 已删除，内容都还在。", slug=slug), "info")
    return redirect(url_for(".sites"), 303)


def _form(known: SubSite | None, values: Mapping[str, Any], error: Invalid | None = None) -> str:
    return render_template(
        "keyun/admin/site.html",
        known=known,
        values=values,
        errors=error.fields if error else {},
        choices=menu_choices(reading()),
        colours=COLOURS,
    )


def _typed() -> dict[str, Any]:
    """The form as it was typed; an unticked box is a no, and the menu is typed as words."""
    return {**request.form.to_dict(), "active": "active" in request.form}
