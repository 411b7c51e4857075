"""Topics, preferences, refusals and the public feed for programs."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from keyun.access import public, requires
from keyun.api import ApiBlueprint, operation
from keyun.web.context import actor, reading, site, writing
from keyun_notices.preferences import feed, schemas, services
from keyun_notices.preferences.forms import from_body, to_json, topic_json
from keyun_notices.preferences.optout import read
from keyun_notices.preferences.topics import topics
from keyun_notices.preferences.ways import ways, ways_to


def add(api: ApiBlueprint) -> None:
    """Hang the operations of preferences below ``/api/v1/notices``."""
    operation(api, "/topics", topic_list, schemas.TopicsSchema, "主题 / Topics")
    operation(
        api, "/preferences", preferences, schemas.PreferencesSchema, "自己的通知设置 / One's own preferences"
    )
    operation(
        api,
        "/preferences",
        set_preferences,
        schemas.PreferencesSchema,
        "修改通知设置 / Change one's own preferences",
        body=schemas.WishBody,
        methods=("PUT",),
    )
    operation(api, "/optout/<token>", refused, schemas.OptoutSchema, "一个链接退订什么 / What a link refuses")
    operation(
        api,
        "/optout/<token>",
        optout,
        schemas.OptoutSchema,
        "一键退订 / One-click unsubscription",
        methods=("POST",),
    )
    operation(
        api,
        "/feed",
        public_feed,
        schemas.PublicNoticesSchema,
        "公开通知 / Public notices",
        query=schemas.FeedArguments,
    )


@public
def topic_list() -> dict[str, Any]:
    """What people can subscribe to, with the default of each."""
    return {"items": [topic_json(t) for t in topics(site()).values()]}


@requires("notices.inbox.read")
def preferences() -> dict[str, Any]:
    """What holds for the owner of the key, defaults filled in."""
    user = services.own(actor(), reading())
    return to_json(services.preferences(actor(), reading(), user), ways_to(reading(), user.id))


@requires("notices.inbox.read")
def set_preferences(body: dict[str, Any]) -> dict[str, Any]:
    """Put this in the place of all preferences; what is left out goes by the defaults."""
    with writing() as unit:
        user = services.own(actor(), unit)
        found = services.change(actor(), unit, user, from_body(body), ways(site()))
    return to_json(found, ways_to(reading(), user.id))


@public
def refused(token: str) -> dict[str, Any] | Response:
    """What the token is about and whether that is refused already; changes nothing.

    A browser, sent here by a mail reader without one-click, is led on to the page that asks once.
    """
    asked = read(site(), token)
    if request.accept_mimetypes.best == "text/html":
        return redirect(url_for("notices-preferences.optout", token=token), 303)
    return {
        "about": asked.about,
        "name": asked.name,
        "refused": services.stands(reading(), asked),
        "undo": "",
    }


@public
def optout(token: str) -> dict[str, Any]:
    """Refuse what the token is about, as mail providers ask for it (RFC 8058); again is harmless."""
    with writing() as unit:
        asked, back = services.honour(unit, token)
    return {"about": asked.about, "name": asked.name, "refused": not asked.undo, "undo": back}


@public
def public_feed(query: dict[str, Any]) -> dict[str, Any]:
    """Notices for everybody of a region, newest first; nothing about a person is asked for or used."""
    found = feed.feed(reading(), query["topic"], query["region"], query["after"], query["limit"])
    regions = feed.regions_of(reading(), found.items)
    plain = ("topic", "kind", "title", "body", "link", "published_at", "expires_at")
    items = [
        {"id": n.public_id, "regions": regions[n.id]} | {name: getattr(n, name) for name in plain}
        for n in found.items
    ]
    return {"items": items, "next": found.next}
