"""Errors of the API as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, g, request
from flask_wtf.csrf import CSRFError
from marshmallow import Schema, ValidationError, fields
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from keyun.errors import Invalid, KeyunError, Unauthenticated
from keyun.forms import complaint

log = logging.getLogger(__name__)
PREFIX = "/api/"
TYPE = "application/problem+json"
TOO_DEEP = "JSON 嵌套太深。 (The JSON is nested too deeply.)"
FAULT = (
    "系统出错了，已记录；请稍后再试，或把 instance 编号告诉管理员。"
    " (Something broke and was logged; try later, or give the operator the number in `instance`.)"
)
BUSY = "数据库暂时不能使用，请稍后再试。 (The database is not available right now; try again.)"
CSRF = (
    "浏览器里的写操作要带 X-CSRFToken 请求头；程序请用 Authorization: Bearer 密钥。"
    " (Send the X-CSRFToken header with a cookie, or a key in Authorization: Bearer.)"
)


class ProblemSchema(Schema):
    """What every error looks like."""

    type = fields.String(required=True, metadata={"format": "uri-reference"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, strict=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True, metadata={"description": "请求编号 / number of the request"})
    errors = fields.Dict(
        fields.String(),
        fields.List(fields.String()),
        metadata={"description": "每个字段的问题 / what is wrong with each field"},
    )


def install(app: Flask) -> None:
    """Answer errors below ``/api/`` here, all others with the handlers that were there before."""
    for kind in (KeyunError, CSRFError, HTTPException, Exception):
        app.register_error_handler(kind, _split(_handler(app, kind)))


def is_api() -> bool:
    """Whether the request belongs to the API."""
    return request.path.startswith(PREFIX)


def problem(error: Exception) -> Response:
    """Turn ``error`` into its answer; what nobody expected is logged and shows nothing of the inside."""
    if isinstance(error, CSRFError):
        # A wrong address or method is the better news: no token would have helped.
        return problem(request.routing_exception) if request.routing_exception else answer(400, CSRF)
    if isinstance(error, KeyunError):
        return _expected(error)
    if isinstance(error, HTTPException):
        return _protocol(error)
    if isinstance(error, RecursionError) and "decoding a JSON" in str(error):
        return answer(400, TOO_DEEP)
    log.error("unexpected error on %s %s", request.method, request.path, exc_info=error)
    return _busy() if isinstance(error, OperationalError) else answer(500, FAULT)


def answer(
    status: int,
    detail: str,
    errors: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One problem document."""
    title = http.HTTPStatus(status).phrase
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body["instance"] = str(g.get("request_id", ""))
    if errors:
        body["errors"] = errors
    text = json.dumps(body, ensure_ascii=False) + "\n"
    return Response(text, status, headers=dict(headers or {}), content_type=TYPE)


def _busy() -> Response:
    return answer(503, BUSY, headers={"Retry-After": "5"})


def _expected(error: KeyunError) -> Response:
    if error.status >= 500:
        # Their texts are for the operator: they name commands, files and hosts.
        log.error("%s on %s %s: %s", type(error).__name__, request.method, request.path, error)
        return _busy() if error.status == 503 else answer(500, FAULT)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
    by_field = error.fields if isinstance(error, Invalid) else None
    return answer(error.status, str(error), by_field, headers)


def _protocol(error: HTTPException) -> Response:
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    # Allow of a 405 and Retry-After of a 429 belong to the answer.
    headers = {k: v for k, v in error.get_headers() if k.lower() not in ("content-type", "content-length")}
    status = error.code or 500
    if status < 400:
        return Response(status=status, headers=headers)
    found: Mapping[str, Any] = getattr(error, "data", None) or {}
    if "messages" in found:
        invalid = refused(found["messages"], found.get("schema"))
        return answer(status, str(invalid), invalid.fields, headers)
    return answer(status, error.description or error.name, headers=headers)


def refused(messages: Any, schema: Any) -> Invalid:
    """What the argument parser found, by field and in words; its grouping by place is left out."""
    form = schema if isinstance(schema, Schema) else Schema()
    found: dict[str, list[str]] = {}
    texts: list[str] = []
    for place, inner in messages.items() if isinstance(messages, Mapping) else [("body", messages)]:
        one = complaint(form, ValidationError(inner if isinstance(inner, dict) else {place: inner}))
        found |= one.fields
        texts.append(str(one))
    return Invalid("; ".join(texts), found)


def _handler(app: Flask, kind: type[Exception]) -> Callable[[Any], Any] | None:
    code = kind.code if issubclass(kind, HTTPException) else None
    return app.error_handler_spec[None][code].get(kind)


def _split(before: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def handle(error: Exception) -> Any:
        if is_api():
            return problem(error)
        if before is not None:
            return before(error)
        if isinstance(error, HTTPException):
            return error
        raise error

    return handle
