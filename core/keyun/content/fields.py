"""Fields that a plugin adds to another plugin's content type: declared by hook, kept in ``Content.extra``.

A value lies in ``extra[<slot>][<field>]`` and is called ``<slot>.<field>`` in forms, files and the API.
While the plugin is off, nobody reads or writes it; it is there again when the plugin comes back.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from marshmallow import Schema, ValidationError, fields, missing, validate
from sqlalchemy.orm import Session

from keyun.content.models import Content
from keyun.errors import Invalid
from keyun.forms import Day, Words

if TYPE_CHECKING:
    from keyun.content.types import ContentType

#: Where a value is shown beside the form, which has every field.
PLACES = frozenset({"list", "detail", "api"})
#: Fields whose loaded values JSON can hold.
PLAIN = (fields.String, fields.Integer, fields.Float, fields.Boolean, Words, Day)
#: One value may take so many characters of JSON.
MAX_VALUE = 2000
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a field, and what people call it."""

    value: str
    title: str
    title_en: str


@dataclass(frozen=True, slots=True)
class ContentField:
    """A field that a plugin adds to the content type ``type``.

    ``field`` is a marshmallow field whose values JSON can hold: a ``String`` (or ``Text``), ``Integer``,
    ``Float``, ``Boolean``, ``keyun.forms.Words`` or ``keyun.forms.Day``. An item without a value has the
    ``load_default`` of the field. With ``choices`` it becomes a select; ``filter`` (choices or yes and no
    only) puts it beside the filters of lists. ``places`` says where values are shown.
    """

    type: str
    name: str
    field: fields.Field[Any]
    title: str
    title_en: str
    choices: tuple[Choice, ...] = ()
    filter: bool = False
    places: Collection[str] = PLACES
    help: str = ""
    help_en: str = ""
    #: Who declared it; the core fills it in.
    slot: str = ""

    @property
    def key(self) -> str:
        """What forms, files and the API call it."""
        return f"{self.slot}.{self.name}"

    @property
    def default(self) -> Any:
        """The value of an item that has none; None when there is no default."""
        default = self.field.load_default
        if default is missing:
            return None
        return default() if callable(default) else default

    def value_of(self, extra: Mapping[str, Any]) -> Any:
        """The value in the ``extra`` of an item, or the default."""
        value = extra.get(self.slot, {}).get(self.name)
        return self.default if value is None else value

    def says(self, value: Any) -> tuple[str, str]:
        """``value`` as people read it, in Chinese and in English."""
        for choice in self.choices:
            if choice.value == value:
                return choice.title, choice.title_en
        if isinstance(value, bool):
            return ("是", "yes") if value else ("否", "no")
        if isinstance(value, list):
            return "，".join(value), ", ".join(value)
        return str(value), str(value)

    def in_schema(self) -> fields.Field[Any]:
        """A field for the full schema of the type: named with its slot, kept in ``extra``."""
        field = copy.copy(self.field)
        field.data_key, field.attribute = self.key, f"extra.{self.key}"
        field.metadata = {"label": self.title} | dict(field.metadata)
        field.validators = [*field.validators, _bounded]
        if self.choices:
            field.validators.insert(0, validate.OneOf([c.value for c in self.choices]))
        # A blank takes the value back; the default counts again.
        field.allow_none = field.allow_none or not field.required
        # The default is worked out when it is read: items from before the plugin have it too.
        field.dump_default = field.load_default
        field.load_default = missing
        return field

    def condition(self, value: Any) -> sa.ColumnElement[bool]:
        """What SQL asks for items with ``value``."""
        place = Content.extra[(self.slot, self.name)]
        stored = place.as_boolean() if isinstance(value, bool) else place.as_string()
        found = stored.is_(value) if isinstance(value, bool) else stored == value
        return sa.or_(found, stored.is_(None)) if value == self.default else found


def _bounded(value: Any) -> None:
    if len(json.dumps(value, ensure_ascii=False)) > MAX_VALUE:
        raise ValidationError(f"最多 {MAX_VALUE} 个字。 (At most {MAX_VALUE} characters.)")


def problem(
    declared: Iterable[object], slot: str, acquainted: Collection[str], types: Mapping[str, Collection[str]]
) -> str | None:
    """What is wrong with the first bad field that the plugin of ``slot`` declares.

    ``acquainted`` are the slots it requires or comes after, ``types`` the content types of the loaded
    ones. A field for a type whose plugin is off is passed over.
    """
    seen: set[tuple[str, str]] = set()
    for field in declared:
        if not isinstance(field, ContentField):
            return f"{field!r} is no ContentField"
        wrong = _wrong(field) or _unknown(field.type, slot, acquainted, types)
        if wrong is None and (field.type, field.name) in seen:
            wrong = "is declared twice"
        if wrong is not None:
            return f"field {field.name!r} of {field.type}: {wrong}"
        seen.add((field.type, field.name))
    return None


def _wrong(field: ContentField) -> str | None:
    if not NAME.fullmatch(field.name) or hasattr(dict, field.name):
        return "call it something else ([a-z][a-z0-9_]*, and no method of a dictionary)"
    if not isinstance(field.field, PLAIN) or isinstance(field.field, fields.UUID):
        return f"{field.field!r} is no field whose values JSON can hold; see ContentField"
    if field.choices and not isinstance(field.field, fields.String):
        return "choices are texts; use fields.String"
    if field.filter and not field.choices and not isinstance(field.field, fields.Boolean):
        return "only choices and yes and no can be filtered by"
    if unknown := set(field.places) - PLACES:
        return f"unknown places {sorted(unknown)}; there are {sorted(PLACES)}"
    return None


def _unknown(
    type_name: str, slot: str, acquainted: Collection[str], types: Mapping[str, Collection[str]]
) -> str | None:
    owner = type_name.partition(".")[0]
    if owner != slot and owner not in acquainted:
        return f"name {owner} in `requires` or `after` of the manifest"
    if owner in types and type_name not in types[owner]:
        return f"{owner} has no content type {type_name}"
    return None


def extended(schema: type[Schema], added: Iterable[ContentField]) -> type[Schema]:
    """``schema`` with the fields that plugins ``added``."""
    more = {f.key: f.in_schema() for f in added}
    # A Form leaves unknown keys out and from_dict keeps that.
    return schema.from_dict(more, name=schema.__name__) if more else schema


def with_fields(kind: ContentType, added: Iterable[ContentField]) -> ContentType:
    """``kind`` as a site knows it: its schema and its list of fields hold what plugins ``added``."""
    own = tuple(f for f in added if f.type == kind.name)
    return replace(kind, schema=extended(kind.schema, own), fields=own) if own else kind


def news(kind: ContentType, stored: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What of the ``new`` extra says something else than ``stored``, where defaults count as said."""
    fields_of = {(f.slot, f.name): f for f in kind.fields}
    found: dict[str, dict[str, Any]] = {}
    for slot, given in new.items():
        for name, value in given.items():
            field = fields_of.get((slot, name))
            if field is None or field.value_of(stored) != value:
                found.setdefault(slot, {})[name] = value
    return found


def merged(stored: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """``stored`` extra with the ``new`` values; what other plugins keep there stays."""
    return {**stored, **{slot: {**stored.get(slot, {}), **values} for slot, values in new.items()}}


def values(kind: ContentType, item: Content, place: str | None = None) -> dict[str, Any]:
    """The added values of ``item`` that are known, by key; only those shown in ``place`` when it is named."""
    shown = (f for f in kind.fields if place is None or place in f.places)
    found = {f.key: f.value_of(item.extra) for f in shown}
    return {key: value for key, value in found.items() if value is not None}


def given(kind: ContentType, data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of what somebody sent that belongs to added fields."""
    keys = {f.key for f in kind.fields}
    return {key: value for key, value in data.items() if key in keys}


def asked(kind: ContentType, arguments: Mapping[str, str], *, strict: bool = False) -> dict[str, Any]:
    """Which values a list is narrowed down to, by key; blanks narrow nothing.

    :raises Invalid: when ``strict`` and a value is none of the field; otherwise it is passed over.
    """
    found: dict[str, Any] = {}
    for field in kind.fields:
        text = arguments.get(field.key, "")
        if not field.filter or not text:
            continue
        try:
            found[field.key] = field.in_schema().deserialize(text)
        except ValidationError:
            if strict:
                message = f"{field.title}没有这个取值。 (Not a value of this field.)"
                raise Invalid(message, {field.key: [message]}) from None
    return found


def conditions(kind: ContentType, wanted: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    """What SQL asks for items whose added fields have the ``wanted`` values (see :func:`asked`)."""
    by_key = {f.key: f for f in kind.fields}
    return [by_key[key].condition(value) for key, value in wanted.items() if key in by_key]


def forget(session: Session, slot: str) -> int:
    """Remove every value that the plugin of ``slot`` added; returns the number of items that had some."""
    has = Content.extra[slot].as_string().is_not(None)
    table, count, last = Content.__table__, 0, 0
    while True:
        query = sa.select(table.c.id, table.c.extra).where(has, table.c.id > last).order_by(table.c.id)
        rows = session.execute(query.limit(1000)).all()
        if not rows:
            return count
        for row in rows:
            rest = {k: v for k, v in row.extra.items() if k != slot}
            change = sa.update(Content).where(Content.id == row.id).values(extra=rest)
            session.execute(change, execution_options={"synchronize_session": False})
        count, last = count + len(rows), rows[-1].id
