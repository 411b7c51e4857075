"""The admin area: what needs attention, plugins, jobs, indexes, reviews, events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import requires
from keyun.admin import events, indexes, jobs
from keyun.admin.access import MANAGE, VIEW, whole
from keyun.admin.overview import Machinery, Overview, look, machinery
from keyun.admin.people import find_people
from keyun.admin.plugins import clear_plugin
from keyun.reviews.queue import count_waiting
from keyun.web import admin_sites
from keyun.web.context import actor, reading, site, writing


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to look at: a sentence, and the page that shows more."""

    text: str
    address: str
    urgent: bool = False


def blueprint() -> Blueprint:
    """``/admin``."""
    pages = Blueprint("admin", __name__, url_prefix="/admin")
    pages.before_request(_private)
    pages.context_processor(lambda: {"whole": whole(site()), "index_title": index_title})
    pages.add_url_rule("/", "index", index)
    pages.add_url_rule("/plugins", "plugins", plugins)
    pages.add_url_rule("/plugins/<name>/clear", "clear", clear, methods=["POST"])
    pages.add_url_rule("/jobs", "jobs", job_list)
    pages.add_url_rule("/jobs/<uuid:job_id>/retry", "retry_job", retry_job, methods=["POST"])
    pages.add_url_rule("/jobs/<uuid:job_id>/delete", "delete_job", delete_job, methods=["POST"])
    pages.add_url_rule("/indexes", "indexes", index_list)
    pages.add_url_rule("/reviews", "reviews", reviews)
    pages.add_url_rule("/people", "people", people)
    pages.add_url_rule("/events", "events", event_list)
    admin_sites.add_to(pages)
    return pages


def _private() -> None:
    g.private_page = True


@requires(VIEW)
def index() -> str:
    """What needs attention first, then a number for each part, and each number opens what it counts."""
    overview = look(actor(), reading())
    return render_template("keyun/admin/index.html", overview=overview, notices=_notices(overview))


@requires(VIEW)
def plugins() -> str:
    """Every plugin with its state and what repairs it; switching is done on the command line."""
    found = machinery(actor(), reading())
    refused_at = dt.datetime.fromisoformat(found.refused.at) if found.refused else None
    return render_template("keyun/admin/plugins.html", machinery=found, refused_at=refused_at)


@requires(MANAGE)
def clear(name: str) -> Response:
    """Let the suspended hooks of a plugin be called again."""
    with writing() as unit:
        clear_plugin(actor(), unit, name)
    flash(_("插件 %(name)s 的钩子恢复调用。", name=name), "success")
    return redirect(url_for(".plugins"), 303)


@requires(VIEW)
def job_list() -> str:
    """The newest jobs of one state or all."""
    asked = request.args.get("state")
    state = asked if asked in jobs.STATES else None
    counts = jobs.count_jobs(actor(), reading())
    found = jobs.list_jobs(actor(), reading(), state)
    return render_template(
        "keyun/admin/jobs.html", counts=counts, jobs=found, state=state, most=jobs.MOST, stuck=jobs.STUCK
    )


@requires(MANAGE)
def retry_job(job_id: object) -> Response:
    """Queue a dead or waiting job again."""
    with writing() as unit:
        name = jobs.retry_job(actor(), unit, str(job_id))
    flash(_("任务 %(name)s 已重新排队。", name=name), "success")
    return redirect(url_for(".jobs", state="dead"), 303)


@requires(MANAGE)
def delete_job(job_id: object) -> Response:
    """Give up a dead or waiting job."""
    with writing() as unit:
        name = jobs.delete_job(actor(), unit, str(job_id))
    flash(_("任务 %(name)s 已删除，不再执行。", name=name), "info")
    return redirect(url_for(".jobs", state="dead"), 303)


@requires(VIEW)
def index_list() -> str:
    """How far behind everything is that follows the event log."""
    found = indexes.list_indexes(actor(), reading())
    return render_template("keyun/admin/indexes.html", indexes=found, now=reading().now)


@requires(VIEW)
def reviews() -> str:
    """What waits for a reviewer, by type and region."""
    found = count_waiting(actor(), reading())
    return render_template("keyun/admin/reviews.html", waiting=found, types=site().types)


@requires(VIEW)
def people() -> str:
    """Accounts whose log-in name begins with what was typed."""
    login = request.args.get("login", "")[:254].strip()
    found = find_people(actor(), reading(), login)
    return render_template("keyun/admin/people.html", people=found, login=login)


@requires(VIEW)
def event_list() -> str:
    """What happened last; names of records, no person."""
    name, before = request.args.get("name", "")[:60] or None, request.args.get("before", "")
    start = int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None
    found = events.list_events(actor(), reading(), name, start)
    page, more = found[: events.PAGE_SIZE], len(found) > events.PAGE_SIZE
    after = url_for(".events", name=name, before=page[-1].id) if more else None
    first = url_for(".events", name=name) if start is not None else None
    return render_template("keyun/admin/events.html", events=page, name=name, first=first, after=after)


def _notices(overview: Overview) -> Sequence[Notice]:
    """Sentences in the order of their urgency."""
    found = [*_of_machinery(overview.machinery), *_of_reviews(overview)]
    return sorted(found, key=lambda n: not n.urgent)


def _of_reviews(overview: Overview) -> list[Notice]:
    if not overview.overdue_reviews:
        return []
    late = url_for("review.queue", overdue="yes")
    return [Notice(_("%(n)d 条审核已超过期限", n=overview.overdue_reviews), late)]


def _of_machinery(found: Machinery | None) -> Iterator[Notice]:
    if found is None:
        return
    if found.refused is not None:
        yield Notice(_("运行中的服务没有接受最近一次插件变更，仍按原来的插件服务"), url_for(".plugins"), True)
    for row in found.troubled:
        yield Notice(_("插件 %(name)s 未能工作", name=row.name), url_for(".plugins"), True)
    for slow in found.slow:
        if slow.suspended:
            text = _("插件 %(name)s 的 %(hook)s 太慢，已暂停调用", name=slow.plugin, hook=slow.hook)
            yield Notice(text, url_for(".plugins"), True)
    if dead := found.jobs.by_state["dead"]:
        yield Notice(_("%(n)d 个后台任务多次重试后失败", n=dead), url_for(".jobs", state="dead"), True)
    if found.stalled:
        text = _("有任务到期一分钟以上还没有执行，后台进程可能没有运行")
        yield Notice(text, url_for(".jobs", state="queued"), True)
    for late in found.late:
        yield Notice(
            _("%(name)s落后太多", name=index_title(late.name, late.title)), url_for(".indexes"), True
        )


def index_title(name: str, title: str) -> str:
    """What an index is called; a follower that nobody named keeps the name of its cursor."""
    return str({"search": _("搜索索引")}.get(name, title))
