"""Declare one operation of the API: its address, what it takes, what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from flask import request
from flask_smorest import Blueprint
from marshmallow import Schema

from keyun.content.fields import asked, conditions
from keyun.web.context import site

#: Marks an operation that lists items of one type, until the description is put together.
LISTS = "x-keyun-lists"


class ApiBlueprint(Blueprint):  # type: ignore[misc]
    """A flask-smorest blueprint; a plugin's is named ``<slot>-api``."""


def operation(
    blueprint: ApiBlueprint,
    rule: str,
    view: Callable[..., Any],
    answer: type[Schema] | Schema,
    summary: str,
    *,
    query: type[Schema] | None = None,
    body: type[Schema] | None = None,
    methods: Sequence[str] = ("GET",),
    status: int = 200,
    lists: str = "",
) -> None:
    """Hang ``view``, which is marked ``@public`` or ``@requires(…)``, below ``rule`` of ``blueprint``.

    The view gets the values of ``query`` and ``body`` (dictionaries, in this order) before the parts of
    the path, and returns what ``answer`` dumps. ``summary`` is 「中文 / English」; the docstring of the
    view is the description. ``lists`` names the content type of a list whose view narrows it down with
    :func:`narrowed`; the description then has its added filters.
    """
    text = " ".join((view.__doc__ or "").split())
    name = f"{blueprint.name}.{view.__name__}"
    marks = {LISTS: lists} if lists else {}
    described = blueprint.doc(summary=summary, description=text, operationId=name, **marks)(view)
    wrapped = blueprint.response(status, answer)(described)
    if body is not None:
        wrapped = blueprint.arguments(body)(wrapped)
    if query is not None:
        wrapped = blueprint.arguments(query, location="query")(wrapped)
    blueprint.add_url_rule(rule, view.__name__, wrapped, methods=list(methods))


def narrowed(type_name: str) -> list[sa.ColumnElement[bool]]:
    """What the query string of this request asks of the fields that plugins add to ``type_name``.

    :raises Invalid: when it names a value that a field does not have.
    """
    kind = site().content_type(type_name)
    return conditions(kind, asked(kind, request.args, strict=True))
