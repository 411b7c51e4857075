"""Pages: one's preferences, the signed link, and the feed that everybody may read."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from keyun.access import public, requires
from keyun.content import markdown
from keyun.errors import Invalid, NotFound
from keyun.web.context import actor, reading, region_asked, site, writing
from keyun_notices.preferences import feed, services, syndication
from keyun_notices.preferences.forms import from_form, to_form
from keyun_notices.preferences.models import FREQUENCIES
from keyun_notices.preferences.optout import BadToken, Optout, read
from keyun_notices.preferences.topics import topics
from keyun_notices.preferences.ways import ways, ways_to
from keyun_notices.publishing.models import Notice

Answer = str | BaseResponse | tuple[str, int]
#: How long readers of feeds may keep an answer, in seconds.
FRESH = 60
TYPES = {"rss": "application/rss+xml", "atom": "application/atom+xml"}


def blueprint(name: str) -> Blueprint:
    """The pages of the part ``preferences`` of the slot ``name``."""
    pages = Blueprint(f"{name}-preferences", __name__)
    pages.context_processor(lambda: {"topic_title": topic_title})
    pages.add_url_rule("/preferences", "show", show)
    pages.add_url_rule("/preferences", "save", save, methods=["POST"])
    pages.add_url_rule("/optout/<token>", "optout", optout, methods=["GET", "POST"])
    pages.add_url_rule("/feed", "feed", feed_page)
    pages.add_url_rule("/feed.<any(rss, atom):kind>", "document", document)
    pages.add_url_rule("/feed/<uuid:public_id>", "read", read_page)
    return pages


@requires("notices.inbox.read")
def show() -> str:
    """One's own preferences."""
    g.private_page = True
    return _form()


@requires("notices.inbox.read")
def save() -> Answer:
    """Change one's own preferences; what was typed is shown again when something is wrong with it."""
    g.private_page = True
    try:
        with writing() as unit:
            user = services.own(actor(), unit)
            wish = from_form(request.form, topics(site()).values())
            services.change(actor(), unit, user, wish, ways(site()))
    except Invalid as e:
        return _form(request.form, e.fields), e.status
    flash(_("已保存。"), "success")
    return redirect(url_for(".show"), 303)


def _form(typed: MultiDict[str, str] | None = None, errors: Mapping[str, list[str]] | None = None) -> str:
    user = services.own(actor(), reading())
    found = services.preferences(actor(), reading(), user)
    return render_template(
        "notices/preferences.html",
        shown=to_form(found, typed),
        ways=ways_to(reading(), user.id),
        frequencies=FREQUENCIES,
        most=services.MOST_A_DAY,
        errors=errors or {},
    )


@public
def optout(token: str) -> Answer:
    """Ask once (a mail scanner opens every link), then refuse, and offer the way back."""
    g.private_page = True
    try:
        if request.method == "GET":
            asked = read(site(), token)
            there = services.stands(reading(), asked)
            return render_template(
                "notices/optout.html", asked=asked, what=_what(asked), there=there, token=token
            )
        with writing() as unit:
            asked, back = services.honour(unit, token)
    except BadToken as e:
        return render_template("notices/optout_bad.html", text=str(e)), e.status
    return render_template("notices/optout_done.html", asked=asked, what=_what(asked), back=back)


def _what(asked: Optout) -> str:
    """What a refusal is about, in words."""
    if asked.kind == "contact":
        return str(_("发到这个手机号的全部通知"))
    if asked.about == "topic":
        return str(_("「%(topic)s」的通知", topic=topic_title(asked.name)))
    if asked.about == "channel":
        way = ways(site()).get(asked.name)
        title = asked.name if way is None else way.title if _chinese() else way.title_en
        return str(_("通过%(channel)s发送的全部通知", channel=title))
    return str(_("站外的全部通知"))


def topic_title(name: str) -> str:
    """What a topic is called in the language of the page."""
    found = services.topic(site(), name)
    return found.title if _chinese() else found.title_en


def _chinese() -> bool:
    return not str(get_locale()).startswith("en")


@public
def feed_page() -> str:
    """Public notices, newest first, of one topic and region or all."""
    topic = _topic()
    region = region_asked()
    found = feed.feed(reading(), topic, region, request.args.get("after") or None)
    return render_template(
        "notices/feed.html",
        found=found,
        regions=feed.regions_of(reading(), found.items),
        topic=topic,
        topics=topics(site()).values(),
        region=region,
    )


@public
def read_page(public_id: uuid.UUID) -> str:
    """One public notice."""
    found = feed.public_notice(reading(), str(public_id))
    places = feed.regions_of(reading(), [found])[found.id]
    return render_template("notices/feed_item.html", notice=found, regions=places)


@public
def document(kind: str) -> BaseResponse:
    """The newest public notices as RSS or Atom, with what a reader needs to ask again cheaply.

    One document for all readers, so in Chinese, whatever language somebody reads pages in.
    """
    topic, region = _topic(), region_asked()
    found = feed.feed(reading(), topic, region, None, feed.ENTRIES)
    changed = feed.changed(reading(), topic, region)
    page = _whole(url_for(".feed", topic=topic, region=region))
    title, author = _title(topic, region), _author()
    body = (syndication.rss if kind == "rss" else syndication.atom)(
        syndication.Feed(
            title=title,
            summary="面向整个地区公开的通知，不含按个人情况推送的。",
            page=page,
            address=_whole(url_for(".document", kind=kind, topic=topic, region=region)),
            author=author,
            language="zh-CN",
            changed=changed,
            entries=[_entry(n, author) for n in found.items],
        )
    )
    response = current_app.response_class(body, mimetype=TYPES[kind])
    response.set_etag(hashlib.sha256(body).hexdigest()[:32])
    response.last_modified = changed
    response.cache_control.public = True
    response.cache_control.max_age = FRESH
    return response.make_conditional(request)


def _entry(notice: Notice, author: str) -> syndication.Entry:
    title = f"已解除：{notice.title}" if notice.kind == "cancel" else notice.title
    assert notice.published_at is not None
    return syndication.Entry(
        id=notice.public_id,
        title=title,
        link=_whole(url_for(".read", public_id=notice.public_id)),
        html=str(markdown(notice.body)),
        topic=services.topic(site(), notice.topic).title,
        author=author,
        published=notice.published_at,
    )


def _title(topic: str | None, region: str | None) -> str:
    parts = [
        str(site().runtime.config.site["title"]),
        services.topic(site(), topic).title if topic else "公开通知",
        *([site().regions.name(region)] if region else []),
    ]
    return " · ".join(parts)


def _author() -> str:
    config = site().runtime.config.site
    return str(config["operator"] or config["title"])


def _topic() -> str | None:
    """The topic of the address.

    :raises NotFound: for one that does not exist, so that nobody subscribes to nothing.
    """
    named = request.args.get("topic") or None
    if named is not None and named not in topics(site()):
        raise NotFound(_("没有这个主题。"))
    return named


def _whole(address: str) -> str:
    """A whole address: that of the configuration, else the one that was asked."""
    root = str(site().runtime.config.site["url"]) or request.host_url.rstrip("/")
    return root + address
