"""Pages of the inbox: the list, one notice, its files."""

from __future__ import annotations

import uuid

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.web.context import actor, reading, site, writing
from keyun_notices import pieces
from keyun_notices.audience.why import decisive
from keyun_notices.inbox import services
from keyun_notices.preferences.topics import topics
from keyun_notices.publishing.files import read

READ = services.READ


def blueprint(name: str) -> Blueprint:
    """The pages below ``/notices``."""
    pages = Blueprint(name, __name__)
    pages.context_processor(pieces.helpers)
    pages.add_url_rule("/", "inbox", inbox)
    pages.add_url_rule("/inbox/<uuid:public_id>", "notice", notice)
    pages.add_url_rule("/inbox/<uuid:public_id>/acted", "acted", acted, methods=["POST"])
    pages.add_url_rule("/inbox/<uuid:public_id>/files/<uuid:file_id>", "file", file)
    return pages


@requires(READ)
def inbox() -> str:
    """What is active for this person, newest first."""
    personal = request.args.get("personal") != "0"
    found = services.inbox(actor(), reading(), request.args.get("after") or None, personal=personal)
    if any(item.shown_at is None for item in found.items):
        with writing() as unit:
            services.shown(actor(), unit, found.items)
    return render_template("notices/inbox.html", found=found, topics=topics(site()), personal=personal)


@requires(READ)
def notice(public_id: uuid.UUID) -> str:
    """One notice, why this person gets it, and what came before; the first look is noted."""
    opened = services.look(actor(), reading(), str(public_id))
    if opened.receipt is None or opened.receipt.opened_at is None:
        with writing() as unit:
            opened = services.open_(actor(), unit, str(public_id))
    reasons = decisive(opened.why) if opened.why else ()
    return render_template(
        "notices/notice.html", opened=opened, reasons=reasons, topics=topics(site()), now=reading().now
    )


@requires(READ)
def acted(public_id: uuid.UUID) -> Response:
    """The person did what the notice asks for."""
    with writing() as unit:
        services.acted(actor(), unit, str(public_id))
    flash(_("已记下：你已办结。"), "success")
    return redirect(url_for(".notice", public_id=public_id), 303)


@requires(READ)
def file(public_id: uuid.UUID, file_id: uuid.UUID) -> Response:
    """A file of a notice, as a download and never as a page."""
    found = services.attachment(actor(), reading(), str(public_id), str(file_id))
    path = read(site(), found)
    answer = send_file(
        path, mimetype=found.content_type, as_attachment=True, download_name=found.name, etag=found.digest,
        conditional=True, max_age=0,
    )  # fmt: skip
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
