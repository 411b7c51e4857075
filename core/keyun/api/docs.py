"""The OpenAPI description as plain values that a template can print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter or one property: its name, type, bounds and meaning."""

    name: str
    type: str
    required: bool
    description: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[Row]
    body: list[Row]
    #: (schema name, its properties), the answer first, then what it holds.
    answers: list[tuple[str, list[Row]]]


@dataclass(frozen=True, slots=True)
class Chapter:
    """The operations of the core or of one plugin."""

    tag: str
    description: str
    entries: list[Entry] = field(default_factory=list)


def chapters(spec: Mapping[str, Any]) -> list[Chapter]:
    """Every operation of ``spec``, by tag in the order of the tags."""
    found = {t["name"]: Chapter(t["name"], t.get("description", "")) for t in spec.get("tags", ())}
    for path, item in spec["paths"].items():
        for method in METHODS:
            if method in item:
                tag = (item[method].get("tags") or ["core"])[0]
                found.setdefault(tag, Chapter(tag, "")).entries.append(_entry(spec, path, method, item))
    return [c for c in found.values() if c.entries]


def _entry(spec: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any]) -> Entry:
    operation = item[method]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    parameters = [_parameter(p) for p in [*item.get("parameters", ()), *operation.get("parameters", ())]]
    return Entry(
        id=str(operation.get("operationId", f"{method}-{path}")),
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        parameters=parameters,
        body=_properties(_resolved(spec, body)) if body else [],
        answers=_answers(spec, operation),
    )


def _answers(spec: Mapping[str, Any], operation: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    answers: list[tuple[str, list[Row]]] = []
    for status, response in operation.get("responses", {}).items():
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        if str(status).startswith("2") and schema:
            _collect(spec, schema, answers)
    return answers


def _collect(spec: Mapping[str, Any], schema: Mapping[str, Any], into: list[tuple[str, list[Row]]]) -> None:
    """Add ``schema`` and every schema it refers to, each once."""
    name = _name(schema)
    resolved = _resolved(spec, schema)
    if name and all(name != seen for seen, _ in into):
        into.append((name, _properties(resolved)))
        for inner in resolved.get("properties", {}).values():
            _collect(spec, inner, into)
    for key in ("items", "additionalProperties"):
        if isinstance(resolved.get(key), dict):
            _collect(spec, resolved[key], into)
    for option in resolved.get("anyOf", ()):
        _collect(spec, option, into)


def _parameter(parameter: Mapping[str, Any]) -> Row:
    return Row(
        parameter["name"],
        _type(parameter.get("schema", {})),
        bool(parameter.get("required")),
        parameter.get("description", ""),
        parameter["in"],
    )


def _properties(schema: Mapping[str, Any]) -> list[Row]:
    required = schema.get("required", ())
    return [
        Row(name, _type(value), name in required, value.get("description", ""))
        for name, value in schema.get("properties", {}).items()
    ]


def _type(schema: Mapping[str, Any]) -> str:
    if name := _name(schema):
        return name
    if "anyOf" in schema:
        return " | ".join(_type(s) for s in schema["anyOf"])
    kind = schema.get("type", "")
    text = " | ".join(kind) if isinstance(kind, list) else str(kind)
    if "items" in schema:
        text = f"{text} [{_type(schema['items'])}]"
    if "format" in schema:
        text += f" ({schema['format']})"
    if "enum" in schema:
        text += ": " + ", ".join(str(v) for v in schema["enum"])
    low, high = schema.get("minimum"), schema.get("maximum")
    return f"{text} {low} … {high}" if low is not None and high is not None else text


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _resolved(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = _name(schema)
    resolved: Mapping[str, Any] = spec["components"]["schemas"][name] if name else schema
    return resolved
