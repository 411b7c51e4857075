"""Pages of the articles: they parse, call a service, and render."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import public, requires
from keyun.content import asked, change, conditions, create, find, publish, withdraw
from keyun.errors import Conflict, Invalid
from keyun.files import attachments
from keyun.regions import concerning
from keyun.web.context import actor, default_region, opened, reading, region_asked, site, writing
from keyun_popsci import services
from keyun_popsci.models import ARTICLE, CATEGORIES, Article
from keyun_popsci.schemas import CODES

Answer = str | Response | tuple[str, int]


def blueprint(name: str) -> Blueprint:
    """The pages, named after the slot ``name``."""
    pages = Blueprint(name, __name__)
    pages.context_processor(lambda: {"categories": CATEGORIES})
    pages.add_url_rule("/", "index", index)
    pages.add_url_rule("/new", "new", new, methods=["GET", "POST"])
    pages.add_url_rule("/<uuid:public_id>", "show", show)
    pages.add_url_rule("/<uuid:public_id>/edit", "edit", edit, methods=["GET", "POST"])
    pages.add_url_rule("/<uuid:public_id>/publish", "publish", make_public, methods=["POST"])
    pages.add_url_rule("/<uuid:public_id>/withdraw", "withdraw", take_back, methods=["POST"])
    return pages


@public
def index() -> str:
    """Articles, newest first, of one category or all."""
    named = request.args.get("category")
    category = named if named in CODES else None
    kind = site().content_type(ARTICLE)
    added = asked(kind, request.args)
    after = request.args.get("after") or None
    narrowed = (*conditions(kind, added), concerning(Article.region, region_asked()))
    found = services.articles(actor(), reading(), category, after, conditions=narrowed)
    writes = site().access.allows(actor(), f"{ARTICLE}.create")
    own = services.drafts(actor(), reading()) if writes else ()
    return render_template("popsci/index.html", found=found, added=added, category=category, drafts=own)


@public
def show(public_id: uuid.UUID) -> str:
    """One article with its source and who vouches for it."""
    item = find(actor(), reading(), Article, str(public_id))
    opened(item)
    files = attachments(reading(), [item]).get(item.id, ())
    return render_template("popsci/show.html", item=item, files=files)


@requires(f"{ARTICLE}.create")
def new() -> Answer:
    """Write an article; it is published at once or kept as a draft."""
    if request.method == "GET":
        return render_template("popsci/edit.html", item=None, values={"region": default_region()}, errors={})
    try:
        with writing() as unit:
            item = create(actor(), unit, services.article_type(), request.form.to_dict())
            if request.form.get("publish"):
                publish(actor(), unit, item)
    except Invalid as e:
        return _again(e, None)
    return _done(item)


@requires(f"{ARTICLE}.create")
def edit(public_id: uuid.UUID) -> Answer:
    """Change an article; what is public is screened again, the version guards somebody else's change."""
    seen = find(actor(), reading(), Article, str(public_id))
    reading().require(actor(), f"{ARTICLE}.edit", seen)
    if request.method == "GET":
        return render_template(
            "popsci/edit.html",
            item=seen,
            values=site().content_type(seen.type).schema().dump(seen),
            errors={},
        )
    try:
        with writing() as unit:
            item = find(actor(), unit, Article, str(public_id))
            change(actor(), unit, item, request.form.to_dict(), _version())
            if item.state in ("draft", "rejected") and request.form.get("publish"):
                publish(actor(), unit, item)
    except (Invalid, Conflict) as e:
        return _again(e, seen)
    return _done(item)


@requires(f"{ARTICLE}.create")
def make_public(public_id: uuid.UUID) -> Response:
    """Publish a draft."""
    with writing() as unit:
        item = find(actor(), unit, Article, str(public_id))
        publish(actor(), unit, item)
    return _done(item)


@requires(f"{ARTICLE}.create")
def take_back(public_id: uuid.UUID) -> Response:
    """Withdraw an article."""
    with writing() as unit:
        withdraw(actor(), unit, find(actor(), unit, Article, str(public_id)))
    flash(_("已撤回，不再公开展示。"), "info")
    return redirect(url_for(".index"), 303)


def _version() -> int | None:
    """The version the writer saw."""
    text = request.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _again(error: Invalid | Conflict, item: Article | None) -> Answer:
    """Show the form once more with what was typed and what is wrong with it; nothing is lost."""
    values: dict[str, Any] = request.form.to_dict()
    errors = error.fields if isinstance(error, Invalid) else {}
    page = render_template("popsci/edit.html", item=item, values=values, errors=errors, message=str(error))
    return page, error.status


def _done(item: Any) -> Response:
    if item.state == "published":
        flash(_("已发布。"), "success")
    elif item.state == "submitted":
        flash(_("已提交审核：%(why)s", why=item.note), "info")
    else:
        flash(_("已保存草稿。"), "info")
    return redirect(url_for(".show", public_id=item.public_id), 303)
