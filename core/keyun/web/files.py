"""Files of content: shown to whoever may see the item, and the page where its writers look after them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import IO, TypeVar
from urllib.parse import quote

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.exceptions import NotFound as NoPage
from werkzeug.wrappers import Response as BaseResponse

from keyun.content.models import Content
from keyun.content.services import find
from keyun.errors import Forbidden, Invalid
from keyun.files.kinds import ENDINGS
from keyun.files.models import MAX_ALT, MAX_CREDIT, Attachment
from keyun.files.pictures import COMMAND, SIZES, available
from keyun.files.receiving import receive
from keyun.files.services import attach, attachments, describe, detach, find_attachment
from keyun.files.store import CHUNK, store
from keyun.uow import UnitOfWork
from keyun.web.context import actor, reading, site, writing

View = TypeVar("View", bound=Callable[..., object])
Answer = str | BaseResponse | tuple[str, int]
#: A file is data and never a page: it may load nothing and run nothing.
POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
#: What is public may be kept so long by browsers and proxies; a withdrawn picture is gone as late.
KEPT_SECONDS = 7 * 24 * 3600


def blueprint() -> Blueprint:
    """``/files``."""
    pages = Blueprint("files", __name__, url_prefix="/files")
    pages.add_url_rule("/<uuid:public_id>", "show", show)
    pages.add_url_rule("/<uuid:public_id>/<any(web, thumb):size>", "smaller", show)
    pages.add_url_rule("/of/<uuid:content_id>", "of", of)
    pages.add_url_rule("/of/<uuid:content_id>", "add", add, methods=["POST"])
    pages.add_url_rule("/<uuid:public_id>/words", "words", words, methods=["POST"])
    pages.add_url_rule("/<uuid:public_id>/remove", "remove", remove, methods=["POST"])
    return pages


def takes_files(view: View) -> View:
    """Mark ``view`` as one whose requests carry a file, which has limits of its own."""
    view.keyun_files = True  # type: ignore[attr-defined]
    return view


def show(public_id: uuid.UUID, size: str = "") -> Response:
    """The bytes of one file, or of the smaller picture, if it is made already."""
    found, item = find_attachment(actor(), reading(), str(public_id))
    is_smaller = size in SIZES and found.file.rendered and found.is_picture
    name = f"{found.digest}.{size}" if is_smaller else found.digest
    answer = Response(mimetype=found.file.kind)
    answer.set_etag(name)
    _describe(answer, found, item)
    if request.if_none_match.contains(name):
        answer.status_code = 304
        return answer
    try:
        source = store(site().runtime).open(name)
    except FileNotFoundError:
        raise NoPage() from None
    answer.content_length = store(site().runtime).size(name) or 0
    answer.response = _pieces(source) if request.method == "GET" else []
    answer.call_on_close(source.close)
    return answer


def of(content_id: uuid.UUID) -> str:
    """The files of one item, for those who may change it."""
    return _page(_editable(reading(), content_id))


@takes_files
def add(content_id: uuid.UUID) -> Answer:
    """Take a file in and attach it."""
    item = _editable(reading(), content_id)
    given = request.files.get("file")
    alt, credit = request.form.get("alt", ""), request.form.get("credit", "")
    try:
        if given is None or not given.filename:
            message = _("请选择文件。")
            raise Invalid(message, {"file": [message]})
        received = receive(site(), given.stream, given.filename)
        with writing() as unit:
            attach(actor(), unit, _editable(unit, content_id), received, alt=alt, credit=credit)
    except Invalid as e:
        return _page(item, e.fields), e.status
    flash(_("已添加：%(name)s", name=received.name), "success")
    return redirect(url_for(".of", content_id=content_id), 303)


def words(public_id: uuid.UUID) -> Answer:
    """Change the words of a file."""
    alt, credit = request.form.get("alt", ""), request.form.get("credit", "")
    try:
        with writing() as unit:
            found, item = find_attachment(actor(), unit, str(public_id))
            describe(actor(), unit, found, alt=alt, credit=credit)
    except Invalid as e:
        found, item = find_attachment(actor(), reading(), str(public_id))
        return _page(item, e.fields, found.public_id), e.status
    flash(_("已保存。"), "success")
    return redirect(url_for(".of", content_id=item.public_id), 303)


def remove(public_id: uuid.UUID) -> Answer:
    """Take a file off its item."""
    with writing() as unit:
        found, item = find_attachment(actor(), unit, str(public_id))
        detach(actor(), unit, found)
    flash(_("已取下：%(name)s", name=found.name), "info")
    return redirect(url_for(".of", content_id=item.public_id), 303)


def most_bytes() -> int:
    """The longest request that carries a file: the largest one, and the form around it."""
    return max(site().runtime.config.files["kinds"].values(), default=0) + 100_000


def _page(item: Content, errors: Mapping[str, list[str]] | None = None, wrong: str = "") -> str:
    """The page; ``wrong`` is the attachment whose words were refused, else it was a new file."""
    g.private_page = True
    kinds = site().runtime.config.files["kinds"]
    return render_template(
        "keyun/files.html",
        item=item,
        files=attachments(reading(), [item]).get(item.id, []),
        kind=site().content_type(item.type),
        limits=[(ENDINGS[name], most // 1_000_000) for name, most in kinds.items()],
        accept=",".join(kinds),
        needs="" if available() else COMMAND,
        most=(MAX_ALT, MAX_CREDIT),
        typed=request.form if errors else {},
        errors=errors or {},
        wrong=wrong,
    )


def _editable(unit: UnitOfWork, content_id: uuid.UUID) -> Content:
    if not actor().is_user:
        raise Forbidden(_("请先登录。"))
    item = find(actor(), unit, Content, str(content_id))
    unit.require(actor(), f"{item.type}.edit", item)
    return item


def _describe(answer: Response, found: Attachment, item: Content) -> None:
    """Headers of a file: what it is called, who may keep it how long, and that it is no page."""
    place = "inline" if found.is_picture else "attachment"
    answer.headers["Content-Disposition"] = f"{place}; filename*=UTF-8''{quote(found.name)}"
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    now, seconds = reading().now, KEPT_SECONDS
    if item.state != "published" or (item.expires_at is not None and item.expires_at <= now):
        answer.headers["Cache-Control"] = "no-store"
        return
    if item.expires_at is not None:
        seconds = min(seconds, int((item.expires_at - now).total_seconds()))
    answer.headers["Cache-Control"] = f"public, max-age={seconds}"


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    return iter(partial(source.read, CHUNK), b"")
