"""Pages of sending: whom, what, check, publish. Every step carries the whole notice in its form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.errors import Conflict, Invalid, KeyunError
from keyun.web.context import actor, reading, writing
from keyun_notices import pieces
from keyun_notices.compose import carried as carrying
from keyun_notices.compose import dryrun, record_views, services
from keyun_notices.compose.carried import TEXTS, Carried
from keyun_notices.compose.convert import from_json, to_json
from keyun_notices.compose.dryrun import SEND, Tried
from keyun_notices.compose.state import Builder, press, read
from keyun_notices.publishing.files import MOST_BYTES

Answer = str | Response | tuple[str, int]
#: Buttons that ask for a judgement; after the others, what is not filled in yet is no mistake.
JUDGED = frozenset({"count", "next", "json", "form"})
BAD_JSON = (
    "这不是有效的 JSON：第 {line} 行第 {column} 列。 (This is no valid JSON: line {line}, column {column}.)"
)
TOO_DEEP = (
    "这个人群的层次太深，表单放不下，请继续在这里编辑。"
    " (This audience is too deep for the form; go on editing it here.)"
)


def blueprint(name: str) -> Blueprint:
    """The pages of the part ``compose`` of the slot ``name``."""
    pages = Blueprint(f"{name}-compose", __name__)
    pages.context_processor(_helpers)
    routes: tuple[tuple[str, str, Callable[..., Any], tuple[str, ...]], ...] = (
        ("/compose", "compose", compose, ("GET", "POST")),
        ("/compose/count", "count", count, ("POST",)),
        *record_views.ROUTES,
    )
    for rule, endpoint, view, methods in routes:
        pages.add_url_rule(rule, endpoint, view, methods=methods)
    return pages


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page of the audience was sent: the builder or the JSON, understood as far as it goes."""

    carried: Carried
    builder: Builder
    as_json: str | None = None
    wrong: Mapping[str, str] = field(default_factory=dict)
    focus: str = ""
    message: str = ""


@requires(SEND)
def compose() -> Answer:
    """One address for all steps; a link begins at the first one."""
    g.private_page = True
    if request.method == "GET":
        of = request.args.get("update", "")
        return _audience_page(_shown(services.begin(actor(), reading(), of)))
    steps = {"audience": _at_audience, "message": _at_message, "confirm": _at_confirm}
    step = steps.get(request.form.get("at", ""), _at_audience)
    return step(carrying.load(request.form.get("draft", "")), request.form.get("do", ""))


@requires(SEND)
def count() -> str:
    """The dry run alone, while somebody is still clicking."""
    g.private_page = True
    asked = _asked(carrying.load(request.form.get("draft", "")), "live")
    tried = None if asked.wrong else _tried(asked.carried)
    return render_template("notices/audience_live.html", tried=tried, wrong=asked.wrong)


# The audience ------------------------------------------------------------------------------------------


def _at_audience(carried: Carried, do: str) -> Answer:
    asked = _asked(carried, do)
    if do == "next" and not asked.wrong:
        return _message_page(asked.carried)
    if do not in JUDGED:
        asked = replace(asked, wrong={k: "" for k in asked.wrong})
    return _audience_page(asked)


def _asked(carried: Carried, do: str) -> Asked:
    """Read the page of the audience and press its button ``do``."""
    carried = replace(carried, scope=tuple(dict.fromkeys(request.form.getlist("scope"))))
    asked = _from_json(carried, do) if request.form.get("mode") == "json" else _from_form(carried, do)
    return replace(asked, wrong={**asked.wrong, **_outside(carried)})


def _from_form(carried: Carried, do: str) -> Asked:
    builder, focus = press(read(request.form), do, request.form)
    audience, wrong = to_json(builder, dryrun.fields_of(reading(), pieces.language()))
    if not wrong:
        wrong = _judged(audience)
    as_json = _pretty(audience) if do == "json" and not wrong else None
    return Asked(replace(carried, audience=audience), builder, as_json, wrong, focus, wrong.get("json", ""))


def _from_json(carried: Carried, do: str) -> Asked:
    text = request.form.get("json", "")
    try:
        audience = json.loads(text)
        json.dumps(audience, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as e:
        wrong = {"json": BAD_JSON.format(line=e.lineno, column=e.colno)}
        return Asked(carried, Builder(), text, wrong)
    except (ValueError, RecursionError):
        return Asked(carried, Builder(), text, {"json": BAD_JSON.format(line=1, column=1)})
    wrong = _judged(audience)
    if wrong:
        return Asked(carried, Builder(), text, wrong)
    carried = replace(carried, audience=audience)
    if do != "form":
        return Asked(carried, Builder(), text)
    builder = from_json(audience, dryrun.fields_of(reading(), pieces.language()))
    if builder is None:
        return Asked(carried, Builder(), text, message=TOO_DEEP)
    return Asked(carried, builder)


def _judged(audience: Any) -> dict[str, str]:
    try:
        dryrun.check_audience(reading(), audience)
    except Invalid as e:
        return {"json": str(e)}
    return {}


def _shown(carried: Carried) -> Asked:
    """The page of the audience as ``carried`` has it: the form when it fits, else the JSON."""
    wrong = _judged(carried.audience)
    builder = None if wrong else from_json(carried.audience, dryrun.fields_of(reading(), pieces.language()))
    if builder is None:
        return Asked(carried, Builder(), _pretty(carried.audience), wrong)
    return Asked(carried, builder)


def _outside(carried: Carried) -> dict[str, str]:
    try:
        dryrun.check_scope(actor(), reading(), carried.scope)
    except Invalid as e:
        return {"scope": str(e)}
    return {}


def _no_longer(carried: Carried) -> Answer | None:
    """The first page when the audience is not right any more, as after a role was taken back; else None."""
    wrong = {**_judged(carried.audience), **_outside(carried)}
    return (_audience_page(replace(_shown(carried), wrong=wrong)), Invalid.status) if wrong else None


def _audience_page(asked: Asked) -> str:
    tried = None if asked.wrong else _tried(asked.carried)
    return render_template(
        "notices/audience.html",
        draft=asked.carried,
        draft_json=asked.carried.dump(),
        scope=asked.carried.scope,
        builder=asked.builder,
        as_json=asked.as_json,
        wrong=asked.wrong,
        focus=asked.focus,
        message=asked.message,
        tried=tried,
        fields=dryrun.suggested(actor(), reading(), dryrun.fields_of(reading(), pieces.language())),
        region_groups=services.region_groups(actor(), reading()),
    )


# The message -------------------------------------------------------------------------------------------


def _at_message(carried: Carried, do: str) -> Answer:
    typed = {k: request.form.get(k, "") for k in TEXTS}
    carried = replace(carried, text={k: v for k, v in typed.items() if v})
    ticked, files = request.form.getlist("keep"), request.files.getlist("attachments")
    carried, refused = services.keep_files(actor(), reading(), carried, ticked, files)
    if (again := _no_longer(carried)) is not None:
        return again
    if refused:
        error = Invalid(" ".join(refused), {"attachments": refused})
        return _message_page(carried, error), error.status
    if do == "back":
        return _audience_page(_shown(carried))
    if do != "next":
        return _message_page(carried, preview=typed["body"] if do == "preview" else None)
    try:
        services.understood(reading(), carried)
    except Invalid as e:
        return _message_page(carried, e), e.status
    return _confirm_page(carried)


def _message_page(carried: Carried, error: Invalid | None = None, preview: str | None = None) -> str:
    return render_template(
        "notices/compose.html",
        draft=carried,
        draft_json=carried.dump(),
        values=carried.text,
        errors=error.fields if error else {},
        message=str(error) if error else "",
        preview=preview,
        tried=_tried(carried),
        topics=services.topics_of(reading()),
        organizations=services.organizations(actor(), reading()),
        kept=services.files_of(reading(), carried),
        most_file=_size(_most_upload()),
    )


# Check and publish -------------------------------------------------------------------------------------


def _at_confirm(carried: Carried, do: str) -> Answer:
    if (again := _no_longer(carried)) is not None:
        return again
    if do not in ("anew", "publish"):
        return _message_page(carried)
    try:
        if do == "anew":
            return _confirm_page(replace(carried, ikey=carrying.new_key()))
        with writing() as unit:
            notice = services.publish_carried(actor(), unit, carried)
            state, public_id = notice.state, notice.public_id
    except Invalid as e:
        return _message_page(carried, e), e.status
    except KeyunError as e:
        return _confirm_page(carried, e), e.status
    flash(_("已安排，到时自动发出。") if state == "scheduled" else _("已发布。"), "success")
    return redirect(url_for(".record", public_id=public_id), 303)


def _confirm_page(carried: Carried, error: KeyunError | None = None) -> str:
    taken = services.taken(actor(), reading(), carried) if isinstance(error, Conflict) else None
    message = services.understood(reading(), carried)
    return render_template(
        "notices/compose_confirm.html",
        draft=carried,
        draft_json=carried.dump(),
        said=message,
        organizations=services.organizations(actor(), reading()),
        message=str(error) if error else "",
        taken=taken,
        tried=_tried(carried),
        channels=services.channels(actor(), reading(), carried, message),
        beside=services.beside(actor(), reading(), carried, message),
        kept=services.files_of(reading(), carried),
    )


def _helpers() -> dict[str, Any]:
    """What the templates of these pages may use."""
    return {
        **pieces.helpers(),
        "topic_title": _topic_title,
        "size_of": _size,
        "now": reading().now,
    }


def _topic_title(name: str) -> Markup:
    found = services.topics_of(reading()).get(name)
    if found is None:
        return Markup("<code>{}</code>").format(name)
    return pieces.mixed(found.title_en if pieces.language() == "en" else found.title, pieces.language())


def _most_upload() -> int:
    """How large the files of one request may be: the site bounds it, and the rest of the form is small."""
    return min(MOST_BYTES, (current_app.config["MAX_CONTENT_LENGTH"] or MOST_BYTES) * 3 // 4)


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(size // 1024, 1)} KB"


def _tried(carried: Carried) -> Tried:
    return dryrun.dry_run(actor(), reading(), carried.scope, carried.audience, carried.ikey)


def _pretty(audience: Any) -> str:
    return json.dumps(audience, ensure_ascii=False, indent=2)
