"""Declare one operation of the API: its address, what it takes, what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema


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
) -> None:
    """Hang ``view``, which is marked ``@public`` or ``@requires(…)``, below ``rule`` of ``blueprint``.

    The view gets the values of ``query`` and ``body`` (dictionaries, in this order) before the parts of
    the path, and returns what ``answer`` dumps. ``summary`` is 「中文 / English」; the docstring of the
    view is the description.
    """
    text = " ".join((view.__doc__ or "").split())
    name = f"{blueprint.name}.{view.__name__}"
    described = blueprint.doc(summary=summary, description=text, operationId=name)(view)
    wrapped = blueprint.response(status, answer)(described)
    if body is not None:
        wrapped = blueprint.arguments(body)(wrapped)
    if query is not None:
        wrapped = blueprint.arguments(query, location="query")(wrapped)
    blueprint.add_url_rule(rule, view.__name__, wrapped, methods=list(methods))
