"""Which column of a file is which field of a schema."""

from __future__ import annotations

from pathlib import Path

from marshmallow import Schema

from keyun.errors import Invalid
from keyun.exchange.readers import Table

#: What a file of refused rows has in front of the original columns.
ROW, REASONS = "_row", "_reasons"


def match(schema: Schema, table: Table, path: Path) -> tuple[dict[str, str], list[str]]:
    """Map the columns of ``table`` to the keys of ``schema``; also the columns that are no field.

    A column is headed by the name of the field or by its label, in any case of letters.

    :raises Invalid: when a required column is missing, or two columns are the same field.
    """
    names = _names(schema)
    found: dict[str, str] = {}
    for column in table.columns:
        key = names.get(column.casefold())
        if key is None:
            continue
        if key in found.values():
            raise Invalid(f"{path}: two columns are {key} ({column} is one of them); remove one")
        found[column] = key
    required = {f.data_key or n for n, f in schema.fields.items() if f.required and not f.dump_only}
    missing = required - set(found.values())
    # A JSON object may leave a key out; then it is one bad record, unless nothing fits at all.
    if missing if table.has_header else missing == required and required:
        raise Invalid(
            f"{path}: column(s) {', '.join(sorted(missing))} missing; expected {describe(schema)}, "
            f"found {', '.join(table.columns)[:500]}"
        )
    unknown = [c for c in table.columns if c not in found and c not in (ROW, REASONS)]
    return found, unknown


def describe(schema: Schema) -> str:
    """The columns of ``schema`` in words: ``name* (名称), kind …``; a star marks what is required."""
    parts = []
    for name, field in schema.fields.items():
        label = field.metadata.get("label")
        star = "*" if field.required else ""
        parts.append(f"{field.data_key or name}{star}{f' ({label})' if label else ''}")
    return ", ".join(parts)


def _names(schema: Schema) -> dict[str, str]:
    """Every heading that means a field: a name before a label, an own label before an added one."""
    keys = {n: f.data_key or n for n, f in schema.fields.items() if not f.dump_only}
    labels = {str(schema.fields[n].metadata.get("label", k)): k for n, k in reversed(keys.items())}
    return {text.casefold(): key for text, key in {**labels, **keys, **{k: k for k in keys.values()}}.items()}
