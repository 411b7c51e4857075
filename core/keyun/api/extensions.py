"""How the description of the API tells of fields that plugins add to content types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keyun.api.docs import METHODS
from keyun.api.fields import Added
from keyun.api.operations import LISTS
from keyun.content.fields import ContentField
from keyun.site import Site

NAME = "Extensions"
REFERENCE = {"$ref": f"#/components/schemas/{NAME}"}


def describe_added(self: Any, field: Any, **_: Any) -> Mapping[str, Any]:
    """An attribute function of apispec: every item refers to one schema of added fields."""
    return REFERENCE if isinstance(field, Added) else {}


def with_extensions(spec: dict[str, Any], site: Site, converter: Any) -> dict[str, Any]:
    """``spec`` with the schema of added fields, and with a parameter for each filter of a list."""
    properties: dict[str, list[dict[str, Any]]] = {}
    for field in (f for kind in site.types.values() for f in kind.fields if "api" in f.places):
        properties.setdefault(field.key, []).append(_property(field, converter))
    spec.setdefault("components", {}).setdefault("schemas", {})[NAME] = {
        "type": "object",
        "properties": {k: v[0] if len(v) == 1 else {"anyOf": v} for k, v in properties.items()},
        "additionalProperties": False,
    }
    for operation in _lists(spec):
        kind = site.types.get(operation.pop(LISTS))
        filters = [f for f in kind.fields if f.filter] if kind is not None else []
        operation.setdefault("parameters", []).extend(_parameter(f, converter) for f in filters)
    return spec


def _lists(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for item in spec["paths"].values():
        yield from (item[m] for m in METHODS if m in item and LISTS in item[m])


def _property(field: ContentField, converter: Any) -> dict[str, Any]:
    shown = field.in_schema()
    # Where there is a default, an answer always has a value.
    shown.allow_none = shown.allow_none and field.default is None
    described: dict[str, Any] = converter.field2property(shown)
    text = f"{field.title} / {field.title_en} ({field.type})"
    return described | {"description": text}


def _parameter(field: ContentField, converter: Any) -> dict[str, Any]:
    described = {k: v for k, v in _property(field, converter).items() if k in ("type", "enum")}
    if None in described.get("enum", ()):
        described["enum"] = [v for v in described["enum"] if v is not None]
    if isinstance(described.get("type"), list):
        described["type"] = next(t for t in described["type"] if t != "null")
    text = f"{field.title} / {field.title_en}"
    return {"name": field.key, "in": "query", "required": False, "schema": described, "description": text}
