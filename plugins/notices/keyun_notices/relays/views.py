"""Pages of relays: staff set them up, whoever holds a link reads and confirms, without an account."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.wrappers import Response

from keyun.access import Actor, anonymous, public, requires
from keyun.errors import Conflict, Forbidden, Invalid, KeyunError
from keyun.forms import load
from keyun.plugins import Fragment
from keyun.uow import UnitOfWork
from keyun.web.context import actor, default_region, reading, region_asked, writing
from keyun_notices.contacts.qr import absolute, qr
from keyun_notices.relays import services
from keyun_notices.relays.models import KINDS, Relay
from keyun_notices.relays.schemas import PassedSchema

Answer = str | Response | tuple[str, int]
SHOWN = ("kind", "name", "region", "headcount", "note")


def blueprint(name: str) -> Blueprint:
    """The pages of the part ``relays`` of the slot ``name``."""
    pages = Blueprint(f"{name}-relays", __name__)
    pages.context_processor(lambda: {"kinds": KINDS})
    routes: tuple[tuple[str, str, Callable[..., Any], tuple[str, ...]], ...] = (
        ("/relays", "index", index, ("GET",)),
        ("/relays/new", "new", new, ("GET", "POST")),
        ("/relays/mine", "mine", mine, ("GET",)),
        ("/relays/<uuid:public_id>", "show", show, ("GET",)),
        ("/relays/<uuid:public_id>/edit", "edit", edit, ("GET", "POST")),
        ("/relays/<uuid:public_id>/key", "rotate", rotate, ("POST",)),
        ("/relays/<uuid:public_id>/close", "close", close, ("POST",)),
        ("/relays/<uuid:public_id>/tasks", "own", own, ("GET",)),
        ("/relays/<uuid:public_id>/tasks/<uuid:notice>", "own_passed", own_passed, ("POST",)),
        ("/relay/<key>", "tasks", tasks, ("GET",)),
        ("/relay/<key>/<uuid:notice>", "passed", passed, ("POST",)),
    )
    for rule, endpoint, view, methods in routes:
        pages.add_url_rule(rule, endpoint, view, methods=methods)
    return pages


@requires(services.MANAGE)
def index() -> str:
    """The relays of one's regions."""
    region, after = region_asked(), request.args.get("after") or None
    found = services.relays(actor(), reading(), region, after)
    return render_template("notices/relays/index.html", found=found, region=region)


@requires(services.MANAGE)
def show(public_id: uuid.UUID) -> str:
    """One relay with what it is to pass on now and what it said."""
    unit = reading()
    found = services.relay(actor(), unit, str(public_id))
    notices = services.notices_for(unit, found)
    said = services.said(unit, found, notices)
    return render_template("notices/relays/show.html", relay=found, notices=notices, said=said)


@requires(services.MANAGE)
def new() -> Answer:
    """Set up a relay; the answer is the sheet with its link."""
    if request.method == "GET":
        return _form({"region": default_region(), "headcount": 0}, {})
    try:
        with writing() as unit:
            made, key = services.add(actor(), unit, request.form.to_dict())
    except (Invalid, Forbidden) as e:
        return _again(e)
    return _sheet(made, key)


@requires(services.MANAGE)
def edit(public_id: uuid.UUID) -> Answer:
    """Change what is known about a relay."""
    found = services.relay(actor(), reading(), str(public_id))
    if request.method == "GET":
        values = {n: getattr(found, n) for n in SHOWN}
        values["manager"] = services.manager(actor(), reading(), found)
        return _form(values, {}, relay=found)
    try:
        with writing() as unit:
            services.change(actor(), unit, str(public_id), request.form.to_dict())
    except (Invalid, Forbidden, Conflict) as e:
        return _again(e, found)
    flash(_("已保存。"), "success")
    return redirect(url_for(".show", public_id=public_id), 303)


@requires(services.MANAGE)
def rotate(public_id: uuid.UUID) -> Answer:
    """Give a relay a new link; the answer is the sheet with it."""
    with writing() as unit:
        found, key = services.rotate(actor(), unit, str(public_id))
    return _sheet(found, key)


@requires(services.MANAGE)
def close(public_id: uuid.UUID) -> Response:
    """Close a relay."""
    with writing() as unit:
        services.close(actor(), unit, str(public_id))
    flash(_("已停用，原链接失效。"), "success")
    return redirect(url_for(".show", public_id=public_id), 303)


@requires(services.OWN)
def mine() -> str:
    """The relays that one looks after."""
    return render_template("notices/relays/mine.html", relays=services.mine(actor(), reading()))


def account() -> Iterable[Fragment]:
    """A link on the account page of whoever looks after a relay."""
    found = services.mine(actor(), reading())
    if found:
        yield Fragment(Markup(render_template("notices/relays/account.html", relays=found)), 35)


@requires(services.OWN)
def own(public_id: uuid.UUID) -> str:
    """What a relay that one looks after is to pass on."""
    unit = reading()
    return _tasks(unit, services.relay(actor(), unit, str(public_id), services.PASS), None)


@requires(services.OWN)
def own_passed(public_id: uuid.UUID, notice: uuid.UUID) -> Answer:
    """Confirm for a relay that one looks after."""

    def holder(unit: UnitOfWork) -> Relay:
        return services.relay(actor(), unit, str(public_id), services.PASS)

    return _passed(actor(), holder, notice, None)


@public
def tasks(key: str) -> str:
    """What the relay of this link is to pass on; no log-in."""
    unit = reading()
    return _tasks(unit, services.by_key(unit, key), key)


@public
def passed(key: str, notice: uuid.UUID) -> Answer:
    """Confirm by the link; no log-in."""
    return _passed(anonymous(), lambda unit: services.by_key(unit, key), notice, key)


def _tasks(
    unit: UnitOfWork,
    relay: Relay,
    key: str | None,
    wrong: str | None = None,
    message: str = "",
) -> str:
    # The address is a key: no cache keeps the page, no other page is told where one came from.
    g.private_page = True
    notices = services.notices_for(unit, relay)
    said = services.said(unit, relay, notices)
    return render_template(
        "notices/relays/tasks.html",
        relay=relay, notices=notices, said=said, key=key, wrong=wrong, message=message,
        typed=request.form.get("headcount", ""),
    )  # fmt: skip


def _passed(who: Actor, holder: Callable[[UnitOfWork], Relay], notice: uuid.UUID, key: str | None) -> Answer:
    g.private_page = True
    try:
        with writing() as unit:
            relay = holder(unit)
            values = load(PassedSchema(only=("headcount",)), request.form.to_dict())
            about = services.notice_of(unit, relay, str(notice))
            services.passed(who, unit, relay, about, values["headcount"])
    except (Invalid, Conflict) as e:
        unit = reading()
        return _tasks(unit, holder(unit), key, str(notice), str(e)), e.status
    flash(_("已记录，谢谢。填错了可以再填一次，以最后一次为准。"), "success")
    there = url_for(".tasks", key=key) if key else url_for(".own", public_id=relay.public_id)
    return redirect(there, 303)


def _sheet(relay: Relay, key: str) -> str:
    """The sheet is the answer itself: the key stands nowhere else, and no address may lead to it again."""
    g.private_page = True
    link = absolute(url_for(".tasks", key=key))
    return render_template("notices/relays/sheet.html", relay=relay, link=link, key=key, code=qr(link))


def _form(values: dict[str, Any], errors: dict[str, list[str]], **more: Any) -> str:
    return render_template("notices/relays/edit.html", values=values, errors=errors, **more)


def _again(error: KeyunError, relay: Relay | None = None) -> Answer:
    errors = error.fields if isinstance(error, Invalid) else {}
    return _form(request.form.to_dict(), errors, relay=relay, message=str(error)), error.status
