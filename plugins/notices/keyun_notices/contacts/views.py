"""Pages of contacts: staff see masked numbers of their own regions; anybody may join."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import public, requires
from keyun.errors import Conflict, Forbidden, Invalid, KeyunError
from keyun.forms import load
from keyun.web.context import actor, default_region, reading, region_asked, site, writing
from keyun_notices.contacts import joining, services
from keyun_notices.contacts.phones import masked
from keyun_notices.contacts.qr import absolute, qr
from keyun_notices.contacts.regions import known
from keyun_notices.contacts.schemas import STATES, JoinSchema

Answer = str | Response | tuple[str, int]
MOST = 60
WRONG_CODE = "验证码不对或已失效，请检查后再试，或重新获取。 (Wrong or expired code.)"


def blueprint(name: str) -> Blueprint:
    """The pages of the part ``contacts`` of the slot ``name``."""
    pages = Blueprint(f"{name}-contacts", __name__)
    pages.context_processor(lambda: {"masked": masked})
    routes: tuple[tuple[str, str, Callable[..., Any], tuple[str, ...]], ...] = (
        ("/contacts", "index", index, ("GET",)),
        ("/contacts/new", "new", new, ("GET", "POST")),
        ("/contacts/sheet", "sheet", sheet, ("GET",)),
        ("/contacts/<uuid:public_id>", "show", show, ("GET",)),
        ("/contacts/<uuid:public_id>/withdraw", "withdraw", withdraw, ("POST",)),
        ("/join", "join", join, ("GET", "POST")),
        ("/join/code", "code", code, ("GET", "POST")),
        ("/join/done", "joined", joined, ("GET",)),
    )
    for rule, endpoint, view, methods in routes:
        pages.add_url_rule(rule, endpoint, view, methods=methods)
    return pages


@requires(services.MANAGE)
def index() -> str:
    """The contacts of one's regions, newest first, numbers masked."""
    g.private_page = True
    asked = request.args.get("state", "")
    state, region = asked if asked in STATES else None, region_asked()
    after = request.args.get("after") or None
    found = services.contacts(actor(), reading(), region, state, after)
    count = services.count(actor(), reading())
    return render_template(
        "notices/contacts/index.html", found=found, count=count, state=state, region=region
    )


@requires(services.MANAGE)
def show(public_id: uuid.UUID) -> str:
    """One contact: when and how he agreed."""
    g.private_page = True
    found = services.contact(actor(), reading(), str(public_id))
    history = services.history(actor(), reading(), found)
    return render_template("notices/contacts/show.html", contact=found, history=history)


@requires(services.MANAGE)
def new() -> Answer:
    """Write down a consent that somebody gave before one."""
    g.private_page = True
    if request.method == "GET":
        values = {"region": default_region(), "consented_on": reading().today.isoformat()}
        return render_template("notices/contacts/new.html", values=values, errors={})
    try:
        with writing() as unit:
            contact = services.record_consent(actor(), unit, request.form.to_dict())
    except (Invalid, Conflict, Forbidden) as e:
        return _again("notices/contacts/new.html", e)
    flash(_("已登记。"), "success")
    return redirect(url_for(".show", public_id=contact.public_id), 303)


@requires(services.MANAGE)
def withdraw(public_id: uuid.UUID) -> Response:
    """Withdraw for somebody who asked to."""
    with writing() as unit:
        services.withdraw_contact(actor(), unit, str(public_id))
    flash(_("已退订，号码已删除。"), "success")
    return redirect(url_for(".show", public_id=public_id), 303)


@requires(services.MANAGE)
def sheet() -> str:
    """A sheet to print: scan, type a number, join."""
    region = region_asked() or site().runtime.config.site["region"]
    address = absolute(url_for(".join", region=region))
    return render_template("notices/contacts/sheet.html", region=region, address=address, code=qr(address))


@public
def join() -> Answer:
    """Join with a phone number: the code comes by SMS."""
    g.private_page = True
    if request.method == "GET":
        return _join({"region": region_asked()}, {})
    try:
        values = load(JoinSchema(), request.form.to_dict())
        with writing() as unit:
            ticket = joining.ask(unit, values["phone"], values["region"], request.remote_addr or "")
    except (Invalid, Conflict) as e:
        errors = e.fields if isinstance(e, Invalid) else {}
        return _join(request.form.to_dict(), errors, str(e)), e.status
    return redirect(url_for(".code", ticket=ticket), 303)


@public
def code() -> Answer:
    """Type the code that came by SMS."""
    g.private_page = True
    ticket = request.values.get("ticket", "")[:MOST]
    if request.method == "GET":
        return render_template("notices/contacts/code.html", ticket=ticket, errors={})
    with writing() as unit:
        contact = joining.confirm(unit, ticket, request.form.get("code", "")[:MOST])
    if contact is None:
        errors = {"code": [WRONG_CODE]}
        return render_template("notices/contacts/code.html", ticket=ticket, errors=errors), 422
    # To an address of its own: whoever looks at the page again does not send the used code again.
    return redirect(url_for(".joined", region=contact.region), 303)


@public
def joined() -> str:
    """Say that it is done; it knows nothing of anybody."""
    return render_template("notices/contacts/joined.html", region=region_asked())


def _join(values: dict[str, Any], errors: dict[str, list[str]], message: str = "") -> str:
    region = values.get("region")
    try:
        region = known(site().regions, region)
    except Invalid:
        region = None
    return render_template(
        "notices/contacts/join.html",
        values=values | {"region": region},
        errors=errors,
        message=message,
        available=joining.available(site()),
    )


def _again(template: str, error: KeyunError) -> Answer:
    """Show the form once more with what was typed and what is wrong with it; nothing is lost."""
    errors = error.fields if isinstance(error, Invalid) else {}
    page = render_template(template, values=request.form.to_dict(), errors=errors, message=str(error))
    return page, error.status
