"""docs/reference/configuration.md"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Any

from marshmallow import Schema, missing, validate
from marshmallow import fields as schema_fields

from keyun.config import SECTIONS, ConfigSchema, ReviewRuleSchema
from keyun.plugins import Plugin


def configuration_page(plugins: Sequence[Plugin]) -> str:
    """Every key of ``keyun.toml`` with its type, default, what is allowed, and its variable."""
    lines = [
        "# Configuration reference",
        "",
        "What each key does stands in [配置](../operate/configuration.md).",
        "The environment wins over `keyun.toml`.",
    ]
    for title, schema in tables(plugins).items():
        lines += ["", f"## {title}", "", inspect.cleandoc(schema.__doc__ or ""), ""]
        lines += ["| key | type | default | allowed | environment |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(title, name, field) for name, field in schema().fields.items()]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def tables(plugins: Sequence[Plugin]) -> dict[str, type[Schema]]:
    """The table headings of ``keyun.toml`` and the schema of each."""
    whole = ConfigSchema().fields
    top = {n: f for n, f in whole.items() if not isinstance(f, schema_fields.Nested | schema_fields.Dict)}
    found = {"Top level": Schema.from_dict(top)}
    found["Top level"].__doc__ = "These keys stand above the first table."
    for section in SECTIONS:
        nested = whole[section]
        assert isinstance(nested, schema_fields.Nested)
        found[f"[{section}]"] = type(nested.schema)
    found["[[content.review]]"] = ReviewRuleSchema
    for plugin in plugins:
        if plugin.settings_schema().fields:
            found[f"[plugin.{plugin.slot}]"] = plugin.settings_schema
    return found


def _row(title: str, name: str, field: schema_fields.Field[Any]) -> str:
    table = title.strip("[]").replace(".", "_").upper()
    variable = f"`KEYUN_{table}__{name.upper()}`"
    if title == "Top level":
        variable = f"`KEYUN_{name.upper()}`"
    elif title.startswith("[[") or isinstance(field, schema_fields.List):
        variable = ""
    default = field.load_default
    shown = "required" if default is missing else "`[]`" if callable(default) else f"`{_toml(default)}`"
    cells = (f"`{name}`", type(field).__name__.lower(), shown, _allowed(field), variable)
    return f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |"


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _allowed(field: schema_fields.Field[Any]) -> str:
    told = []
    for rule in field.validators:
        if isinstance(rule, validate.OneOf):
            told.append(", ".join(f"`{c}`" for c in rule.choices))
        elif isinstance(rule, validate.Range):
            told.append(f"{rule.min} to {rule.max}")
        elif isinstance(rule, validate.Length):
            told.append(f"{rule.min or 0} to {rule.max} characters")
        elif isinstance(rule, validate.Regexp):
            told.append(f"`{rule.regex.pattern!s}`")
    return "; ".join(told)
