"""The page of the figures, and the same as CSV."""

from __future__ import annotations

import datetime as dt
import io

from flask import Blueprint, render_template, request
from flask_babel import get_locale
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.errors import Invalid
from keyun.forms import load
from keyun.web.context import actor, default_region, reading, site
from keyun_usage import services
from keyun_usage.answers import month_text, write_csv
from keyun_usage.schemas import PeriodForm

Asked = tuple[str, dt.date, dt.date]


def blueprint(name: str) -> Blueprint:
    """The pages, named after the slot ``name``."""
    pages = Blueprint(name, __name__)
    pages.context_processor(lambda: {"month_text": month_text})
    pages.add_url_rule("/", "index", index)
    pages.add_url_rule("/report.csv", "table", table)
    return pages


@requires(services.READ)
def index() -> str | tuple[str, int]:
    """Person-times and distinct people of one place and period, with what they mean."""
    asked = _default()
    try:
        asked = _asked()
        made = services.report(actor(), reading(), *asked)
    except Invalid as e:
        return render_template("usage/index.html", made=None, asked=asked, errors=e.fields), e.status
    return render_template("usage/index.html", made=made, asked=asked, errors={}, titles=_titles())


@requires(services.READ)
def table() -> Response:
    """The figures of the page as CSV."""
    unit = reading()
    made = services.report(actor(), unit, *_asked())
    text = io.StringIO()
    write_csv(text, list(services.lines(made, unit)))
    # The mark at the beginning tells spreadsheets that this is UTF-8.
    answer = Response("\ufeff" + text.getvalue(), mimetype="text/csv")
    name = f"usage-{made.region}-{made.start}-{made.end}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _titles() -> dict[str, str]:
    """What people call the content types that are loaded here."""
    chinese = str(get_locale()).startswith("zh")
    return {name: t.title if chinese else t.title_en for name, t in site().types.items()}


def _default() -> Asked:
    """The home place of the reader, and the last thirty days."""
    unit, here = reading(), default_region()
    today = unit.today
    allowed = here is not None and site().access.allows(actor(), services.READ, services.Where(here))
    region = here if here and allowed else services.default_region(actor(), unit)
    return region, today - dt.timedelta(days=29), today


def _asked() -> Asked:
    region, start, end = _default()
    data = load(PeriodForm(), request.args.to_dict())
    return data["region"] or region, data["start"] or start, data["end"] or end
