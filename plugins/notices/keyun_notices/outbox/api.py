"""Callbacks of providers, and what a person binds himself to."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from marshmallow import Schema

from keyun.access import public, requires
from keyun.api import ApiBlueprint, operation
from keyun.errors import Invalid, NotFound
from keyun.uow import UnitOfWork
from keyun.web.context import actor, reading, site, writing
from keyun_notices.outbox import binding, callbacks, receipts
from keyun_notices.outbox import schemas as s

NAME = "<string(minlength=1, maxlength=40):name>"


def add(api: ApiBlueprint) -> None:
    """Hang the operations of the outbox below ``/api/v1/notices``."""
    taken: tuple[tuple[str, Any, type[Schema], type[Schema], str], ...] = (
        (f"/sms/{NAME}/receipts", sms_receipts, s.ReceiptsSchema, s.ChangedSchema, "短信回执 / SMS receipts"),
        (f"/sms/{NAME}/replies", sms_replies, s.RepliesSchema, s.AnswersSchema, "短信上行 / SMS replies"),
        (
            "/push",
            subscribe,
            s.SubscriptionSchema,
            s.SubscribedSchema,
            "订阅浏览器推送 / Push to a browser",
        ),
        ("/push/remove", unsubscribe, s.EndpointSchema, s.SubscribedSchema, "退订浏览器推送 / Unsubscribe"),
    )
    for rule, view, body, answer, summary in taken:
        operation(api, rule, view, answer, summary, body=body, methods=("POST",))
    operation(api, "/push", push_key, s.PushKeySchema, "浏览器推送公钥 / The key of Web Push")
    operation(api, "/wechat", bound, s.BoundSchema, "是否绑定微信 / Whether WeChat is bound")
    operation(
        api, "/wechat/code", code, s.CodeSchema, "微信绑定码 / A code to bind WeChat", methods=("POST",)
    )
    operation(api, "/wechat/unbind", unbind, s.BoundSchema, "解绑微信 / Unbind WeChat", methods=("POST",))
    _plain(api, "GET", wechat_check, "微信服务器验证 / WeChat checks the address")
    _plain(api, "POST", wechat_message, "微信消息与事件 / Messages and events of WeChat")


def _plain(api: ApiBlueprint, method: str, view: Any, summary: str) -> None:
    """An operation that WeChat prescribes: it answers with plain text, and what it takes is no JSON."""
    name = f"{api.name}.{view.__name__}"
    described = api.doc(summary=summary, description=" ".join(view.__doc__.split()), operationId=name)(view)
    answered = api.response(200, {"type": "string"}, content_type="text/plain")(described)
    api.add_url_rule("/wechat/callback", view.__name__, answered, methods=[method])


@public
def sms_receipts(body: dict[str, Any], name: str) -> dict[str, Any]:
    """What became of letters; the gateway signs the body with X-Timestamp and X-Signature."""
    with writing() as unit:
        settings = callbacks.check_gateway(unit, name, dict(request.headers), request.get_data())
        return {"changed": callbacks.gateway_receipts(unit, settings, body["receipts"])}


@public
def sms_replies(body: dict[str, Any], name: str) -> dict[str, Any]:
    """What people texted: to stop, or to join; the answers are what the gateway should send back."""
    with writing() as unit:
        callbacks.check_gateway(unit, name, dict(request.headers), request.get_data())
        answers = [_answer(unit, r["phone"], r["text"]) for r in body["replies"]]
    return {"answers": answers}


def _answer(unit: UnitOfWork, phone: str, text: str) -> dict[str, str]:
    """One reply; a sender that is no mobile number gets nothing, and the others are heard."""
    try:
        return {"phone": phone, "text": receipts.reply(unit, phone, text) or ""}
    except Invalid:
        return {"phone": phone, "text": ""}


@public
def wechat_check() -> Response:
    """Show WeChat that the address is ours: a signed request gets its `echostr` back."""
    callbacks.check_wechat(reading(), request.args)
    return Response(request.args.get("echostr", "")[:200], mimetype="text/plain")


@public
def wechat_message() -> Response:
    """A message of a follower or an event, signed by WeChat; answers are what WeChat prescribes."""
    with writing() as unit:
        callbacks.check_wechat(unit, request.args)
        answer = callbacks.wechat_message(unit, request.get_data())
    return Response(answer, mimetype="text/plain")


@requires("notices.inbox.read")
def bound() -> dict[str, Any]:
    """Whether one's own account is bound to a follower of the official account."""
    return {"bound": binding.is_bound(actor(), reading())}


@requires("notices.inbox.read")
def code() -> dict[str, Any]:
    """A code to send to the official account; good once, for ten minutes."""
    account = binding.wechat_settings(site())["title"]
    with writing() as unit:
        made = binding.new_code(actor(), unit)
    return {"code": made.code, "good_until": made.good_until, "account": account}


@requires("notices.inbox.read")
def unbind() -> dict[str, Any]:
    """End the binding of one's own account."""
    with writing() as unit:
        binding.unbind(actor(), unit)
    return {"bound": False}


@public
def push_key() -> dict[str, Any]:
    """The key that a browser subscribes with; 404 when Web Push is not configured."""
    found = site().plugins.settings("notices")["webpush"]
    if found is None:
        raise NotFound(binding.NO_PUSH)
    return {"public_key": found["public_key"]}


@requires("notices.inbox.read")
def subscribe(body: dict[str, Any]) -> dict[str, Any]:
    """Push to this browser from now on; the newest five of a person are kept."""
    with writing() as unit:
        binding.subscribe(actor(), unit, body["endpoint"], body["keys"]["p256dh"], body["keys"]["auth"])
    return {"subscribed": True}


@requires("notices.inbox.read")
def unsubscribe(body: dict[str, Any]) -> dict[str, Any]:
    """Push to this browser no more."""
    with writing() as unit:
        binding.unsubscribe(actor(), unit, body["endpoint"])
    return {"subscribed": False}
