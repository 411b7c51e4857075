"""Review pages: the queue, one review for its reviewers and its author, and one's own submissions."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from keyun.access import Actor, requires
from keyun.accounts import User, actor_for
from keyun.content import Content
from keyun.content.services import draft_of, visible
from keyun.errors import Forbidden, Invalid
from keyun.files import attachments
from keyun.forms import label
from keyun.reviews import services
from keyun.reviews.decisions import decide, reopen
from keyun.reviews.models import Review
from keyun.reviews.queue import Wanted, own, queue
from keyun.reviews.rights import REVIEW, colleagues, is_own, may_judge
from keyun.uow import UnitOfWork
from keyun.web.context import actor, reading, site, writing

Answer = str | Response | tuple[str, int]
#: Fields that the page shows in a way of their own.
TEXTS = ("title", "summary", "body", "region")
FILTERS = ("mine", "unclaimed", "overdue", "type", "region")


def blueprint() -> Blueprint:
    """Review pages."""
    pages = Blueprint("review", __name__, url_prefix="/review")
    pages.before_request(_private)
    pages.context_processor(lambda: {"types": site().types})
    pages.add_url_rule("", "queue", show_queue)
    pages.add_url_rule("/mine", "mine", mine)
    pages.add_url_rule("/item/<uuid:content_id>", "of", of)
    pages.add_url_rule("/<uuid:public_id>", "show", show)
    for view in (judge, claim, give_back, hand_over, comment, ask_again):
        name = view.__name__
        pages.add_url_rule(f"/<uuid:public_id>/{name.replace('_', '-')}", name, view, methods=["POST"])
    return pages


def _private() -> None:
    g.private_page = True
    if not actor().is_user:
        raise Forbidden(_("请先登录。"))


@requires(REVIEW)
def show_queue() -> str:
    """What waits in the regions this reviewer answers for, the nearest deadline first."""
    wanted = _wanted()
    found = queue(actor(), reading(), wanted, request.args.get("after") or None)
    kept: dict[str, Any] = {n: request.args[n] for n in FILTERS if request.args.get(n)}
    after = url_for(".queue", **kept, after=found.next) if found.next else None
    first = url_for(".queue", **kept) if request.args.get("after") else None
    now = reading().now
    return render_template(
        "keyun/review/queue.html", found=found, wanted=wanted, after=after, first=first, now=now
    )


def mine() -> str:
    """What one submitted, the newest first, and how each stands."""
    found = own(actor(), reading(), request.args.get("after") or None)
    after = url_for(".mine", after=found.next) if found.next else None
    first = url_for(".mine") if request.args.get("after") else None
    return render_template("keyun/review/mine.html", found=found, after=after, first=first)


def of(content_id: uuid.UUID) -> Response:
    """The newest review of an item: where the page of the item leads."""
    review, _item = services.review_of(actor(), reading(), str(content_id))
    return redirect(url_for(".show", public_id=review.public_id), 303)


def show(public_id: uuid.UUID) -> str:
    """The text, what is new in it, what machines found, what was said, and the forms of whoever may act."""
    return _page(str(public_id))


@requires(REVIEW)
def judge(public_id: uuid.UUID) -> Answer:
    """Approve, ask for changes, or reject."""
    verdict, reason = request.form.get("decision", ""), request.form.get("reason", "")
    try:
        with writing() as unit:
            review, item = services.find_review(actor(), unit, str(public_id))
            decide(actor(), unit, review, verdict, reason, _version())
    except Invalid as e:
        return _page(str(public_id), e.fields), e.status
    flash(_said(review, item), "success" if verdict == "approve" else "info")
    return redirect(url_for(".queue"), 303)


@requires(REVIEW)
def claim(public_id: uuid.UUID) -> Answer:
    """Take a review in hand, or over from a colleague."""
    with writing() as unit:
        review, _item = services.find_review(actor(), unit, str(public_id))
        services.claim(actor(), unit, review, take_over=request.form.get("take_over") == "yes")
    flash(_("已认领，由你审核。"), "success")
    return _back(public_id)


@requires(REVIEW)
def give_back(public_id: uuid.UUID) -> Answer:
    """Let go of a claimed review."""
    with writing() as unit:
        review, _item = services.find_review(actor(), unit, str(public_id))
        services.give_back(actor(), unit, review)
    flash(_("已放回，别人可以认领。"), "info")
    return _back(public_id)


@requires(REVIEW)
def hand_over(public_id: uuid.UUID) -> Answer:
    """Give a review to a colleague."""
    try:
        with writing() as unit:
            review, item = services.find_review(actor(), unit, str(public_id))
            services.hand_over(actor(), unit, review, _chosen(unit, review, item))
    except Invalid as e:
        return _page(str(public_id), e.fields), e.status
    flash(_("已转交。"), "success")
    return _back(public_id)


def comment(public_id: uuid.UUID) -> Answer:
    """Say something to the other side."""
    try:
        with writing() as unit:
            review, _item = services.find_review(actor(), unit, str(public_id))
            services.comment(actor(), unit, review, request.form.get("text", ""))
    except Invalid as e:
        return _page(str(public_id), e.fields), e.status
    flash(_("已留言。"), "success")
    return _back(public_id)


@requires(REVIEW)
def ask_again(public_id: uuid.UUID) -> Answer:
    """Put a decided review to the question again."""
    try:
        with writing() as unit:
            review, _item = services.find_review(actor(), unit, str(public_id))
            reopen(actor(), unit, review, request.form.get("reason", ""))
    except Invalid as e:
        return _page(str(public_id), e.fields), e.status
    flash(_("已重新开始审核。"), "info")
    return _back(public_id)


def _page(public_id: str, errors: Mapping[str, list[str]] | None = None) -> str:
    unit, who = reading(), actor()
    review, item = services.find_review(who, unit, public_id)
    judges = may_judge(who, unit, review, item)
    claimed = unit.session.get(User, review.reviewer_id) if review.reviewer_id is not None else None
    # Whoever submitted a text of somebody else may talk of it, and sees its page and files no more.
    readable = visible(who, unit, item)
    return render_template(
        "keyun/review/show.html",
        review=review,
        item=item,
        facts=_facts(item),
        readable=readable,
        files=attachments(unit, [item]).get(item.id, []) if readable else [],
        checks=services.checks(who, unit, review, item),
        passages=services.changes(who, unit, review, item),
        remarks=services.conversation(who, unit, review, item),
        judges=judges,
        own=is_own(who, unit, review, item),
        claimed=claimed if claimed is not None and claimed.active else None,
        colleagues=colleagues(who, unit, review, item) if judges and review.state == "open" else [],
        may_talk=review.state in services.TALKED_OF,
        late=review.state == "open" and review.due_at < unit.now,
        typed=request.form if errors else {},
        errors=errors or {},
    )


def _facts(item: Content) -> list[tuple[str, str]]:
    """Every other field of the type that says something, with its label."""
    kind = site().content_type(item.type)
    schema, values = kind.schema(), draft_of(kind, item).values
    names = [f.data_key or name for name, f in schema.fields.items()]
    shown = [(label(schema, n), values.get(n)) for n in names if n not in TEXTS]
    return [(name, _plain(value)) for name, value in shown if value not in (None, "", [])]


def _plain(value: Any) -> str:
    return "，".join(map(str, value)) if isinstance(value, list) else str(value)


def _said(review: Review, item: Content) -> str:
    words = {
        "approved": _("已通过并公开：%(title)s", title=item.title),
        "returned": _("已退回修改：%(title)s", title=item.title),
        "rejected": _("已退回：%(title)s", title=item.title),
    }
    missing = review.needed - review.approvals
    return str(
        words.get(review.state, _("已同意，还需要 %(n)d 位审核员：%(title)s", n=missing, title=item.title))
    )


def _chosen(unit: UnitOfWork, review: Review, item: Content) -> Actor:
    """The colleague that the form names."""
    named = request.form.get("to", "")
    found = [u for u in colleagues(actor(), unit, review, item) if u.public_id == named]
    if not found:
        message = _("请选择一位能审核这条内容的同事。")
        raise Invalid(message, {"to": [message]})
    return actor_for(found[0])


def _wanted() -> Wanted:
    kind, region = request.args.get("type", ""), request.args.get("region", "")
    return Wanted(
        mine=request.args.get("mine") == "yes",
        unclaimed=request.args.get("unclaimed") == "yes",
        overdue=request.args.get("overdue") == "yes",
        type=kind if kind in site().types else "",
        region=region if region in site().regions else "",
    )


def _version() -> int | None:
    """The version the reviewer saw."""
    text = request.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _back(public_id: uuid.UUID) -> Response:
    return redirect(url_for(".show", public_id=public_id), 303)
