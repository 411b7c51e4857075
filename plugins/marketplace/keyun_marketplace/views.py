"""Pages of the marketplace: they parse, call a service, and render."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import public, requires
from keyun.content import Content, asked, change, create, find, withdraw
from keyun.errors import Conflict, Invalid
from keyun.web.context import actor, default_region, opened, reading, region_asked, writing
from keyun_marketplace import services
from keyun_marketplace.disciplines import Discipline
from keyun_marketplace.matchmaking import Matched, match_item, match_text
from keyun_marketplace.models import NEED, OFFER, Need, Offer
from keyun_marketplace.queries import Filter, listing
from keyun_marketplace.schemas import KINDS, STAGES
from keyun_marketplace.told import tell

Answer = str | Response | tuple[str, int]
TYPES = {"offers": OFFER, "needs": NEED}
MODELS: dict[str, type[Offer] | type[Need]] = {"offers": Offer, "needs": Need}


def blueprint(name: str, disciplines: tuple[Discipline, ...]) -> Blueprint:
    """The pages, named after the slot ``name``."""
    pages = Blueprint(name, __name__, template_folder=None)
    english = {d.name: d.name_en for d in disciplines}
    given: dict[str, Any] = {
        "disciplines": disciplines,
        "discipline_en": english,
        "KINDS": KINDS,
        "STAGES": STAGES,
    }
    given["tell"] = partial(tell, english=english)
    pages.context_processor(lambda: given)
    routes: tuple[tuple[str, str, Callable[..., Any], tuple[str, ...]], ...] = (
        ("/", "index", index, ("GET",)),
        ("/match", "match", match, ("GET",)),
        ("/needs/new", "new_need", new_need, ("GET", "POST")),
        ("/offers/new", "new_offer", new_offer, ("GET", "POST")),
        ("/needs/<public_id>", "need", need, ("GET",)),
        ("/offers/<public_id>", "offer", offer, ("GET",)),
        ("/needs/<public_id>/ask", "ask", ask, ("POST",)),
        ("/<any(offers, needs):kind>", "list", list_, ("GET",)),
        ("/<any(offers, needs):kind>/<public_id>/edit", "edit", edit, ("GET", "POST")),
        ("/<any(offers, needs):kind>/<public_id>/publish", "publish", publish, ("POST",)),
        ("/<any(offers, needs):kind>/<public_id>/withdraw", "withdraw", take_back, ("POST",)),
        ("/mine", "mine", mine, ("GET",)),
        ("/inbox", "inbox", inbox, ("GET",)),
        ("/inbox/<public_id>", "answer", answer, ("POST",)),
        ("/profile", "profile", profile, ("GET", "POST")),
    )
    for rule, endpoint, view, methods in routes:
        pages.add_url_rule(rule, endpoint, view, methods=methods)
    return pages


@public
def index() -> str:
    """The entrance: one box for a need, and what is new."""
    unit, here = reading(), Filter(region=default_region())
    return render_template(
        "marketplace/index.html",
        needs=listing(actor(), unit, Need, here).items[:6],
        offers=listing(actor(), unit, Offer, here).items[:6],
    )


@public
def list_(kind: str) -> str:
    """Offers or needs, narrowed down by words, field and region."""
    wanted = Filter(
        q=request.args.get("q", "")[:200].strip(),
        region=region_asked(),
        discipline=request.args.get("discipline") or None,
        added=asked(reading().site.content_type(TYPES[kind]), request.args),
        page=_page(request.args.get("page")),
    )
    found = listing(actor(), reading(), MODELS[kind], wanted)
    return render_template("marketplace/list.html", kind=kind, wanted=wanted, found=found)


@public
def match() -> Answer:
    """Try the matching without posting anything: who could help with this sentence?"""
    text, region = request.args.get("text", "")[:2000].strip(), region_asked()
    matched = match_text(actor(), reading(), text, region) if text else None
    return render_template("marketplace/match.html", text=text, region=region, matched=matched)


@public
def need(public_id: str) -> str:
    """One need with what was found for it: its owner can ask, everybody sees the offers."""
    unit = reading()
    item = find(actor(), unit, Need, public_id)
    opened(item)
    matched: Matched | None = match_item(actor(), unit, item) if item.state == "published" else None
    asked = services.asked(unit, item) if actor().owns(item) else {}
    return render_template("marketplace/need.html", item=item, matched=matched, asked=asked)


@public
def offer(public_id: str) -> str:
    """One offer with the needs that wait for it."""
    unit = reading()
    item = find(actor(), unit, Offer, public_id)
    opened(item)
    matched: Matched | None = match_item(actor(), unit, item) if item.state == "published" else None
    return render_template("marketplace/offer.html", item=item, matched=matched)


@requires("marketplace.need.create")
def new_need() -> Answer:
    """A need goes out with one sentence and a region."""
    if request.method == "GET":
        values: dict[str, Any] = {
            "text": request.args.get("text", "")[:2000],
            "region": region_asked(),
        }
        return render_template("marketplace/new_need.html", values=values, errors={})
    try:
        with writing() as unit:
            item = services.post_sentence(actor(), unit, request.form.to_dict())
    except Invalid as e:
        return _again("marketplace/new_need.html", e)
    _say_state(item)
    return redirect(url_for(".need", public_id=item.public_id), 303)


@requires("marketplace.offer.create")
def new_offer() -> Answer:
    """Write an offer; it is published at once or kept as a draft."""
    if request.method == "GET":
        here = {"region": default_region()}
        return render_template("marketplace/edit.html", kind="offers", item=None, values=here, errors={})
    try:
        with writing() as unit:
            item = create(actor(), unit, services.offer_type(), request.form.to_dict())
            if request.form.get("publish"):
                services.publish_item(actor(), unit, item)
    except Invalid as e:
        return _again("marketplace/edit.html", e, kind="offers", item=None)
    _say_state(item)
    return redirect(url_for(".offer", public_id=item.public_id), 303)


@requires("marketplace.need.create")
def edit(kind: str, public_id: str) -> Answer:
    """Change an offer or a need; the version guards against overwriting somebody else's change."""
    seen = find(actor(), reading(), MODELS[kind], public_id)
    reading().require(actor(), f"{seen.type}.edit", seen)
    if request.method == "GET":
        schema = reading().site.content_type(seen.type).schema()
        values = schema.dump(seen)
        return render_template("marketplace/edit.html", kind=kind, item=seen, values=values, errors={})
    try:
        with writing() as unit:
            item = find(actor(), unit, MODELS[kind], public_id)
            change(actor(), unit, item, request.form.to_dict(), _version())
            if item.state in ("draft", "rejected") and request.form.get("publish"):
                services.publish_item(actor(), unit, item)
            elif item.state == "published":
                services.match_again(unit, item)
    except (Invalid, Conflict) as e:
        return _again("marketplace/edit.html", e, kind=kind, item=seen)
    _say_state(item)
    return redirect(_page_of(item), 303)


@requires("marketplace.need.create")
def publish(kind: str, public_id: str) -> Response:
    """Publish a draft."""
    with writing() as unit:
        item = services.publish_item(actor(), unit, find(actor(), unit, MODELS[kind], public_id))
    _say_state(item)
    return redirect(_page_of(item), 303)


@requires("marketplace.need.create")
def take_back(kind: str, public_id: str) -> Response:
    """Withdraw an offer or a need."""
    with writing() as unit:
        item = withdraw(actor(), unit, find(actor(), unit, MODELS[kind], public_id))
    flash(_("已撤回，不再公开展示。"), "info")
    return redirect(_page_of(item), 303)


@requires("marketplace.request.answer")
def mine() -> str:
    """What one wrote oneself."""
    unit = reading()
    return render_template(
        "marketplace/mine.html",
        needs=services.mine(actor(), unit, Need),
        offers=services.mine(actor(), unit, Offer),
    )


@requires("marketplace.request.answer")
def inbox() -> str:
    """Needs that fit what one offers, and requests in both directions."""
    unit = reading()
    received, sent = services.requests(actor(), unit)
    return render_template(
        "marketplace/inbox.html", matches=services.inbox_needs(actor(), unit), received=received, sent=sent
    )


@requires("marketplace.request.answer")
def answer(public_id: str) -> Response:
    """Accept or decline a request."""
    with writing() as unit:
        services.answer(actor(), unit, public_id, request.form.to_dict())
    flash(_("已答复对方。"), "success")
    return redirect(url_for(".inbox"), 303)


@requires("marketplace.request.answer")
def ask(public_id: str) -> Response:
    """Ask somebody to help with one's need."""
    with writing() as unit:
        services.ask(actor(), unit, find(actor(), unit, Need, public_id), request.form.to_dict())
    flash(_("已送达对方收件箱，对方同意后双方可见联系方式。"), "success")
    return redirect(url_for(".need", public_id=public_id), 303)


@requires("marketplace.person.edit")
def profile() -> Answer:
    """Say what one can help with and whether one agrees to be found."""
    if request.method == "GET":
        found = services.profile(actor(), reading())
        values = (
            {}
            if found is None
            else {k: getattr(found, k) for k in ("discipline", "title", "keywords", "summary", "findable")}
        )
        return render_template("marketplace/profile.html", values=values, errors={})
    form = request.form.to_dict() | {"findable": request.form.get("findable", "false")}
    try:
        with writing() as unit:
            services.save_profile(actor(), unit, form)
    except Invalid as e:
        return _again("marketplace/profile.html", e)
    flash(_("已保存。"), "success")
    return redirect(url_for(".profile"), 303)


def _version() -> int | None:
    """The version the writer saw."""
    text = request.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _again(template: str, error: Invalid | Conflict, **context: Any) -> Answer:
    """Show the form once more with what was typed and what is wrong with it; nothing is lost."""
    errors = error.fields if isinstance(error, Invalid) else {}
    page = render_template(
        template, values=request.form.to_dict(), errors=errors, message=str(error), **context
    )
    return page, error.status


def _say_state(item: Content) -> None:
    if item.state == "published":
        flash(_("已发布。"), "success")
    elif item.state == "submitted":
        flash(_("已提交审核：%(why)s", why=item.note), "info")
    else:
        flash(_("已保存草稿。"), "info")


def _page_of(item: Content) -> str:
    return url_for(".need" if isinstance(item, Need) else ".offer", public_id=item.public_id)


def _page(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 6 else 1
