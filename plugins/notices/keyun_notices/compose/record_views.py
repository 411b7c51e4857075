"""Pages of what was sent: the list, one record, its end, and the figures as files."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from flask import flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.errors import Invalid
from keyun.web.context import actor, reading, site, writing
from keyun_notices.compose import figures as counting
from keyun_notices.compose import records
from keyun_notices.outbox.directory import channels
from keyun_notices.pieces import language
from keyun_notices.publishing.services import READ
from keyun_notices.reach.services import reach

Answer = str | Response | tuple[str, int]
#: What a spreadsheet would take for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@requires(READ)
def sent() -> str:
    """Notices of one's regions, newest first."""
    g.private_page = True
    found = records.mine(actor(), reading(), request.args.get("after") or None)
    return render_template("notices/sent.html", found=found)


@requires(READ)
def record(public_id: uuid.UUID) -> str:
    """What one notice said, to whom, and how far it came."""
    return _record(str(public_id))


@requires(READ)
def cancel(public_id: uuid.UUID) -> Answer:
    """End a notice, with the reason that its readers will find in its place."""
    reason = request.form.get("reason", "")
    try:
        with writing() as unit:
            note = records.cancel_sent(actor(), unit, str(public_id), reason)
            where = note.public_id
    except Invalid as e:
        return _record(str(public_id), e.fields, reason), e.status
    flash(_("已解除，收到过的人会看到说明。"), "success")
    return redirect(url_for(".record", public_id=where), 303)


@requires(READ)
def figures(form: str) -> Response:
    """The figures of the newest notices of one's regions; no person stands in them."""
    found = records.mine(actor(), reading(), limit=records.MOST_ROWS)
    return _file([counting.row(actor(), reading(), n) for n in found.items], form, "notices")


@requires(READ)
def figures_of(public_id: uuid.UUID, form: str) -> Response:
    """The figures of one notice."""
    notice = records.record(actor(), reading(), str(public_id)).notice
    return _file([counting.row(actor(), reading(), notice)], form, f"notice-{notice.public_id}")


def _record(public_id: str, errors: Mapping[str, list[str]] | None = None, reason: str = "") -> str:
    g.private_page = True
    found = records.record(actor(), reading(), public_id)
    return render_template(
        "notices/record.html",
        record=found,
        notice=found.notice,
        reach=reach(actor(), reading(), found.notice),
        channel_titles=_channel_titles(),
        errors=errors or {},
        reason=reason,
    )


def _channel_titles() -> dict[str, str]:
    """What the channels are called in the language of the page."""
    english = language() == "en"
    return {n: c.title_en if english else c.title for n, c in channels(site()).items()}


def _file(rows: Sequence[Mapping[str, Any]], form: str, name: str) -> Response:
    g.private_page = True
    if form == "json":
        text, mimetype = json.dumps(rows, ensure_ascii=False, indent=2), "application/json"
    else:
        text, mimetype = _csv(rows), "text/csv"
    answer = Response(text, mimetype=mimetype)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return answer


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table that spreadsheets read as UTF-8 and never as formulas."""
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {k: f"'{v}" if isinstance(v, str) and v.startswith(FORMULA) else v for k, v in row.items()}
        )
    return "\ufeff" + out.getvalue()


ROUTES = (
    ("/sent", "sent", sent, ("GET",)),
    ("/sent/figures.<any(csv, json):form>", "figures", figures, ("GET",)),
    ("/sent/<uuid:public_id>", "record", record, ("GET",)),
    ("/sent/<uuid:public_id>/figures.<any(csv, json):form>", "figures_of", figures_of, ("GET",)),
    ("/sent/<uuid:public_id>/cancel", "cancel", cancel, ("POST",)),
)
