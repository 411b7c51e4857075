"""Relays for programs: staff set them up, devices ask and confirm with a key of their own."""

from __future__ import annotations

import uuid
from typing import Any

from flask import g, request, url_for

from keyun.access import anonymous, public, requires
from keyun.api import ApiBlueprint, operation
from keyun.content import plain
from keyun.errors import NotFound, Unauthenticated
from keyun.uow import UnitOfWork
from keyun.web.context import actor, reading, site, writing
from keyun_notices.contacts.qr import absolute
from keyun_notices.publishing.models import Notice
from keyun_notices.relays import schemas, services
from keyun_notices.relays.models import Passed, Relay
from keyun_notices.relays.passing import API

#: The header in which a device sends its key; `Authorization` belongs to keys of accounts.
HEADER = "X-Relay-Key"
#: How much of a text a loudspeaker reads.
MOST_READ = 2000
NO_KEY = f"请在 {HEADER} 请求头里给出转达点的密钥。 (Send the key of the relay in {HEADER}.)"


def add(api: ApiBlueprint) -> None:
    """Hang the operations of relays below ``/api/v1/notices``."""
    operation(
        api, "/relays", relays, schemas.RelayPageSchema, "转达点 / Relays", query=schemas.RelayArguments
    )
    operation(
        api,
        "/relays",
        add_relay,
        schemas.RelayKeySchema,
        "设立转达点 / Set up a relay",
        body=schemas.RelaySchema,
        methods=("POST",),
        status=201,
    )
    one = "/relays/<uuid:public_id>"
    operation(
        api, f"{one}/key", rotate_relay_key, schemas.RelayKeySchema, "更换密钥 / New key", methods=("POST",)
    )
    operation(
        api,
        f"{one}/close",
        close_relay,
        schemas.RelayItemSchema,
        "停用转达点 / Close a relay",
        methods=("POST",),
    )
    operation(
        api,
        f"{one}/notices/<uuid:notice>/passed",
        relay_passed,
        schemas.SaidSchema,
        "代为确认已转达 / Confirm for a relay",
        body=schemas.PassedSchema,
        methods=("POST",),
    )
    operation(
        api,
        "/relay/notices",
        relay_tasks,
        schemas.TasksSchema,
        "设备：要转达的通知 / Device: what to pass on",
    )
    operation(
        api,
        "/relay/notices/<uuid:notice>/passed",
        device_passed,
        schemas.SaidSchema,
        "设备：确认已转达 / Device: passed on",
        body=schemas.PassedSchema,
        methods=("POST",),
    )


@requires(services.MANAGE)
def relays(query: dict[str, Any]) -> dict[str, Any]:
    """Relays of the regions of the key's owner, newest first."""
    found = services.relays(actor(), reading(), query["region"], query["after"], query["limit"])
    return {"items": [shown(r) for r in found.items], "next": found.next}


@requires(services.MANAGE)
def add_relay(values: dict[str, Any]) -> dict[str, Any]:
    """Set up a relay; its key comes with this answer only."""
    with writing() as unit:
        made, key = services.add(actor(), unit, values)
    return _with_key(made, key)


@requires(services.MANAGE)
def rotate_relay_key(public_id: uuid.UUID) -> dict[str, Any]:
    """Give a relay a new key; the old one opens nothing any more."""
    with writing() as unit:
        found, key = services.rotate(actor(), unit, str(public_id))
    return _with_key(found, key)


@requires(services.MANAGE)
def close_relay(public_id: uuid.UUID) -> dict[str, Any]:
    """Close a relay; what it said stays."""
    with writing() as unit:
        return shown(services.close(actor(), unit, str(public_id)))


@requires(services.OWN)
def relay_passed(values: dict[str, Any], public_id: uuid.UUID, notice: uuid.UUID) -> dict[str, Any]:
    """Confirm for a relay one looks after, or as staff of its region."""
    with writing() as unit:
        relay = services.relay(actor(), unit, str(public_id), services.PASS)
        about = services.notice_of(unit, relay, str(notice))
        return said(services.passed(actor(), unit, relay, about, values["headcount"], values["at"], way=API))


@public
def relay_tasks() -> dict[str, Any]:
    """What the relay of the key in the header X-Relay-Key is to pass on now; ask every minute."""
    unit = reading()
    relay = _device(unit)
    notices = services.notices_for(unit, relay)
    words = services.said(unit, relay, notices)
    return {"items": [task(n, words.get(n.id)) for n in notices]}


@public
def device_passed(values: dict[str, Any], notice: uuid.UUID) -> dict[str, Any]:
    """Say that a notice was passed on; the same again changes nothing, something else corrects it."""
    with writing() as unit:
        relay = _device(unit)
        about = services.notice_of(unit, relay, str(notice))
        return said(
            services.passed(anonymous(), unit, relay, about, values["headcount"], values["at"], way=API)
        )


def _device(unit: UnitOfWork) -> Relay:
    """The relay whose key came in the header.

    :raises Unauthenticated: when there is none, or it opens nothing.
    """
    g.private_page = True
    key = request.headers.get(HEADER, "")
    try:
        return services.by_key(unit, key)
    except NotFound as e:
        raise Unauthenticated(str(e) if key else NO_KEY) from None


def shown(relay: Relay) -> dict[str, Any]:
    """One relay as a program of staff sees it."""
    return {
        "id": relay.public_id,
        "kind": relay.kind,
        "name": relay.name,
        "region": relay.region,
        "region_name": site().regions.name(relay.region),
        "headcount": relay.headcount,
        "active": relay.active,
        "webhook": relay.webhook is not None,
    }


def _with_key(relay: Relay, key: str) -> dict[str, Any]:
    g.private_page = True
    return shown(relay) | {"key": key, "link": absolute(url_for("notices-relays.tasks", key=key))}


def task(notice: Notice, passed: Passed | None) -> dict[str, Any]:
    """A notice as a device gets it."""
    return {
        "id": notice.public_id,
        "kind": notice.kind,
        "topic": notice.topic,
        "life": notice.life,
        "title": notice.title,
        "body": notice.body,
        "text": plain(notice.body, MOST_READ),
        "link": notice.link,
        "starts_at": notice.starts_at,
        "expires_at": notice.expires_at,
        "passed": said(passed) if passed is not None else None,
    }


def said(passed: Passed) -> dict[str, Any]:
    """What a relay said last."""
    return {"headcount": passed.headcount, "at": passed.at, "revision": passed.revision}
