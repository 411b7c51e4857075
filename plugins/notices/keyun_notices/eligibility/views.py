"""Pages of calls: what is open and whether one is eligible; staff write, count and publish."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.errors import Conflict, Invalid, KeyunError
from keyun.web.context import actor, default_region, reading, site, writing
from keyun_notices import pieces
from keyun_notices.audience.words import describe
from keyun_notices.contacts.qr import absolute
from keyun_notices.eligibility import services
from keyun_notices.eligibility.models import Call
from keyun_notices.eligibility.schemas import KINDS
from keyun_notices.people.resident import attributes

Answer = str | Response | tuple[str, int]


def blueprint(name: str) -> Blueprint:
    """The pages of the part ``eligibility`` of the slot ``name``."""
    pages = Blueprint(f"{name}-eligibility", __name__)
    pages.context_processor(lambda: {**pieces.helpers(), "until": _until, "now": reading().now})
    routes: tuple[tuple[str, str, Callable[..., Any], tuple[str, ...]], ...] = (
        ("/calls", "calls", calls, ("GET",)),
        ("/calls/<uuid:public_id>", "call", call, ("GET",)),
        ("/calls/managed", "managed", managed, ("GET",)),
        ("/calls/new", "new", new, ("GET", "POST")),
        ("/calls/<uuid:public_id>/edit", "edit", edit, ("GET", "POST")),
        ("/calls/<uuid:public_id>/check", "check", check, ("GET",)),
        ("/calls/<uuid:public_id>/publish", "publish", publish, ("POST",)),
        ("/calls/<uuid:public_id>/withdraw", "withdraw", withdraw, ("POST",)),
    )
    for rule, endpoint, view, methods in routes:
        pages.add_url_rule(rule, endpoint, view, methods=methods)
    return pages


@requires(services.READ)
def calls() -> str:
    """What is open: first what one is eligible for."""
    g.private_page = True
    found = services.open_calls(actor(), reading())
    return render_template("notices/calls.html", found=found, can_edit=_may_edit())


@requires(services.READ)
def call(public_id: uuid.UUID) -> str:
    """One call with its conditions, each with whether one meets it."""
    g.private_page = True
    unit = reading()
    found = services.mine(actor(), unit, services.find(actor(), unit, str(public_id)))
    return render_template("notices/call.html", found=found, edits=services.edits(actor(), unit, found.call))


@requires(services.EDIT)
def managed() -> str:
    """Calls of the regions for which one writes them."""
    found = services.managed(actor(), reading(), request.args.get("after") or None)
    return render_template("notices/calls_managed.html", found=found)


@requires(services.EDIT)
def new() -> Answer:
    """Write a draft."""
    if request.method == "GET":
        begin = {"kind": "award", "region": default_region(), "audience": '{"all": []}'}
        return _form(None, begin)
    try:
        with writing() as unit:
            made = services.create(actor(), unit, _asked())
    except Invalid as e:
        return _form(None, request.form.to_dict(), e), e.status
    return redirect(url_for(".check", public_id=made.public_id), 303)


@requires(services.EDIT)
def edit(public_id: uuid.UUID) -> Answer:
    """Change a draft."""
    seen = services.find(actor(), reading(), str(public_id))
    if request.method == "GET":
        return _form(seen, _shown(seen))
    try:
        with writing() as unit:
            found = services.find(actor(), unit, str(public_id))
            services.change(actor(), unit, found, _asked(), _version())
    except (Invalid, Conflict) as e:
        return _form(seen, request.form.to_dict(), e), e.status
    return redirect(url_for(".check", public_id=seen.public_id), 303)


@requires(services.EDIT)
def check(public_id: uuid.UUID) -> str:
    """Who would be eligible, before it is published."""
    unit = reading()
    found = services.find(actor(), unit, str(public_id))
    tried = services.tried(actor(), unit, found)
    says = describe(services.within(unit, found), attributes(unit.site), unit.site.regions)
    return render_template("notices/call_check.html", call=found, tried=tried, says=says)


@requires(services.EDIT)
def publish(public_id: uuid.UUID) -> Response:
    """Publish a draft, and tell those who are eligible if wanted."""
    address = absolute(url_for(".call", public_id=public_id))
    try:
        with writing() as unit:
            found = services.find(actor(), unit, str(public_id))
            tell = bool(request.form.get("tell"))
            sent = services.publish(actor(), unit, found, tell=tell, address=address)
    except (Invalid, Conflict) as e:
        return _back(e, public_id)
    flash(_("已发布。"), "success")
    if sent is not None:
        flash(_("已通知符合条件的 %(n)s 人。", n=sent.addressed), "success")
    return redirect(url_for(".call", public_id=public_id), 303)


@requires(services.EDIT)
def withdraw(public_id: uuid.UUID) -> Response:
    """Take a call back."""
    try:
        with writing() as unit:
            services.withdraw(actor(), unit, services.find(actor(), unit, str(public_id)))
    except Conflict as e:
        return _back(e, public_id)
    flash(_("已撤回，不再展示。"), "info")
    return redirect(url_for(".managed"), 303)


def _back(error: KeyunError, public_id: uuid.UUID) -> Response:
    flash(str(error), "danger")
    return redirect(url_for(".check", public_id=public_id), 303)


def _may_edit() -> bool:
    return site().access.allows(actor(), services.EDIT)


def _form(seen: Call | None, values: Mapping[str, Any], error: KeyunError | None = None) -> str:
    """The form with what was typed; nothing is lost."""
    errors = error.fields if isinstance(error, Invalid) else {}
    message = str(error) if error is not None else ""
    return render_template(
        "notices/call_edit.html", call=seen, values=values, errors=errors, message=message, kinds=KINDS
    )


def _asked() -> dict[str, Any]:
    """The form as the service takes it: days of this site become moments, the last day counts whole."""
    data: dict[str, Any] = request.form.to_dict()
    data["opens_at"] = _moment(data.pop("opens_on", ""), 0, "opens_on")
    data["closes_at"] = _moment(data.pop("closes_on", ""), 1, "closes_on")
    return data


def _moment(day: str, plus: int, field: str) -> str | None:
    if not day.strip():
        return None
    try:
        start = dt.date.fromisoformat(day.strip()) + dt.timedelta(days=plus)
        return dt.datetime.combine(start, dt.time(), site().timezone).isoformat()
    except (ValueError, OverflowError):
        text = "请填写日期，如 2027-03-31。 (Not a date.)"
        raise Invalid(text, {field: [text]}) from None


def _shown(call: Call) -> dict[str, Any]:
    """A call as the form shows it."""
    same = {n: getattr(call, n) for n in ("kind", "title", "summary", "link", "region", "version")}
    return same | {
        "audience": json.dumps(call.audience, ensure_ascii=False, indent=1),
        "opens_on": _day(call.opens_at, 0),
        "closes_on": _day(call.closes_at, 1),
    }


def _until(moment: dt.datetime) -> str:
    """The end of a call for people: a day counts to its midnight, which is 24:00 of that day."""
    there = moment.astimezone(site().timezone)
    if there.time() == dt.time():
        return f"{there.date() - dt.timedelta(days=1)} 24:00"
    return f"{there:%Y-%m-%d %H:%M}"


def _day(moment: dt.datetime | None, less: int) -> str:
    if moment is None:
        return ""
    return (moment.astimezone(site().timezone) - dt.timedelta(days=less)).date().isoformat()


def _version() -> int | None:
    text = request.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
