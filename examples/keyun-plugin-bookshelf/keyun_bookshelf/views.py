"""Pages: they parse, call a service, and render."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import public, requires
from keyun.content import Content, asked, change, conditions, create, find, publish, withdraw
from keyun.errors import Conflict, Invalid
from keyun.regions import concerning
from keyun.web.context import actor, default_region, reading, region_asked, site, writing
from keyun_bookshelf import services
from keyun_bookshelf.models import ARTICLE, CATEGORIES, LEVELS, Article
from keyun_bookshelf.schemas import LEVEL_CODES

Answer = str | Response | tuple[str, int]


def blueprint(name: str) -> Blueprint:
    """The pages, named after the slot ``name``."""
    pages = Blueprint(name, __name__)
    pages.context_processor(lambda: {"levels": LEVELS, "categories": CATEGORIES})
    pages.add_url_rule("/", "index", index)
    pages.add_url_rule("/new", "new", new, methods=["GET", "POST"])
    pages.add_url_rule("/<uuid:public_id>", "show", show)
    pages.add_url_rule("/<uuid:public_id>/edit", "edit", edit, methods=["GET", "POST"])
    pages.add_url_rule("/<uuid:public_id>/withdraw", "withdraw", take_back, methods=["POST"])
    return pages


@public
def index() -> str:
    """The reading list, newest first, of one level or all."""
    kind = site().content_type(ARTICLE)
    added = asked(kind, request.args)
    after = request.args.get("after") or None
    asked_level = request.args.get("level")
    level = asked_level if asked_level in LEVEL_CODES else None
    narrowed = (*conditions(kind, added), concerning(Article.region, region_asked()))
    found = services.articles(actor(), reading(), level, after, conditions=narrowed)
    return render_template("popsci/index.html", found=found, added=added, level=level)


@public
def show(public_id: uuid.UUID) -> str:
    """One article."""
    return render_template("popsci/show.html", item=find(actor(), reading(), Article, str(public_id)))


@requires(f"{ARTICLE}.create")
def new() -> Answer:
    """Write an article; it is published at once or kept as a draft."""
    if request.method == "GET":
        return _form(None, {"region": default_region()})
    try:
        with writing() as unit:
            item = create(actor(), unit, services.article_type(), request.form.to_dict())
            if request.form.get("publish"):
                publish(actor(), unit, item)
    except Invalid as e:
        return _form(None, request.form.to_dict(), e)
    return _done(item)


@requires(f"{ARTICLE}.create")
def edit(public_id: uuid.UUID) -> Answer:
    """Change an article; the version guards somebody else's change."""
    seen = find(actor(), reading(), Article, str(public_id))
    reading().require(actor(), f"{ARTICLE}.edit", seen)
    if request.method == "GET":
        return _form(seen, site().content_type(ARTICLE).schema().dump(seen))
    try:
        with writing() as unit:
            item = find(actor(), unit, Article, str(public_id))
            change(actor(), unit, item, request.form.to_dict(), request.form.get("version", type=int))
            if item.state in ("draft", "rejected") and request.form.get("publish"):
                publish(actor(), unit, item)
    except (Invalid, Conflict) as e:
        return _form(seen, request.form.to_dict(), e)
    return _done(item)


@requires(f"{ARTICLE}.create")
def take_back(public_id: uuid.UUID) -> Response:
    """Withdraw an article."""
    with writing() as unit:
        withdraw(actor(), unit, find(actor(), unit, Article, str(public_id)))
    flash(_("已撤回，不再公开展示。"), "info")
    return redirect(url_for(".index"), 303)


def _form(item: Article | None, values: dict[str, Any], error: Invalid | Conflict | None = None) -> Answer:
    """The form with what was typed and what is wrong with it; nothing is lost."""
    errors = error.fields if isinstance(error, Invalid) else {}
    page = render_template("popsci/edit.html", item=item, values=values, errors=errors, message=error)
    return (page, error.status) if error else page


def _done(item: Content) -> Response:
    if item.state == "published":
        flash(_("已发布。"), "success")
    elif item.state == "submitted":
        flash(_("已提交审核：%(why)s", why=item.note), "info")
    else:
        flash(_("已保存草稿。"), "info")
    return redirect(url_for(".show", public_id=item.public_id), 303)
