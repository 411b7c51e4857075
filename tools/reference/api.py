"""docs/reference/api.md"""

from __future__ import annotations

from typing import Any

from keyun.access import PUBLIC
from keyun.app import create_app
from keyun.site import Site
from keyun.testing import browse

ROOT = "/api/v1"


def api_page(site: Site) -> str:
    """Every operation of the API: permission, parameters, what it takes and answers."""
    app = create_app(site)
    spec = browse(app).get(f"{ROOT}/openapi.json").get_json()
    marks = {e: getattr(v, "keyun_access", PUBLIC) for e, v in app.view_functions.items()}
    lines = [
        "# API",
        "",
        "网站上 `/api/v1/docs` 是同一份说明，`/api/v1/openapi.json` 供程序使用（OpenAPI 3.1）。",
        "",
        "A running site has the same at `/api/v1/docs`, and for programs at `/api/v1/openapi.json`.",
        "`Authorization: Bearer <key>` identifies a program; errors are `application/problem+json`.",
    ]
    for path, methods in sorted(spec["paths"].items()):
        shared = methods.get("parameters", [])
        for method, operation in methods.items():
            if method != "parameters":
                lines += _operation(f"{method.upper()} {path}", operation, shared, marks)
    return "\n".join(lines) + "\n"


def _operation(where: str, operation: dict[str, Any], shared: list[Any], marks: dict[str, str]) -> list[str]:
    mark = marks.get(operation.get("operationId", ""), PUBLIC)
    allowed = "所有人 / everybody" if mark == PUBLIC else f"`{mark}`"
    lines = ["", f"## {where}", "", operation.get("summary", ""), "", operation.get("description", ""), ""]
    lines += [f"权限 / permission: {allowed}"]
    rows = [_parameter(p) for p in [*shared, *operation.get("parameters", [])] if "name" in p]
    if rows:
        lines += [
            "",
            "| 参数 / parameter | 在 / in | 类型 / type | 说明 / note |",
            "| --- | --- | --- | --- |",
            *rows,
        ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        lines += ["", f"请求 / body: {_type(body)}"]
    good = [a for code, a in operation.get("responses", {}).items() if code.startswith("2")]
    answers = [_type(c["schema"]) for a in good for c in a.get("content", {}).values() if "schema" in c]
    return [*lines, "", f"回答 / answer: {', '.join(answers)}"] if answers else lines


def _parameter(parameter: dict[str, Any]) -> str:
    note = parameter.get("description", "")
    if parameter.get("required"):
        note = f"必填 / required. {note}".strip()
    cells = (f"`{parameter['name']}`", parameter["in"], _type(parameter.get("schema", {})), note)
    return f"| {' | '.join(str(c).replace('|', chr(92) + '|') for c in cells)} |"


def _type(schema: dict[str, Any]) -> str:
    """A schema in one line."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    kind = schema.get("type", "object")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if text == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return f"{text}: {', '.join(str(v) for v in schema['enum'])}"
    if "minimum" in schema and "maximum" in schema:
        return f"{text} {schema['minimum']} … {schema['maximum']}"
    return f"{text} ({schema['format']})" if "format" in schema else text
