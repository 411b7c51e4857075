"""What templates show of the fields that plugins add to content types; ``keyun/macros.html`` draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from marshmallow import fields, validate

from keyun.content.fields import MAX_VALUE, ContentField
from keyun.content.models import Content
from keyun.forms import Day
from keyun.site import Site
from keyun.web.i18n import language

#: How a field without choices is typed in; others are a line of text.
KINDS: Sequence[tuple[type[fields.Field[Any]], str]] = (
    (fields.Integer, "number"),
    (fields.Float, "decimal"),
    (Day, "date"),
)


@dataclass(frozen=True, slots=True)
class Input:
    """One field of an edit form, or one filter of a list; ``options`` are (value, text), a select if any."""

    name: str
    label: str
    kind: str
    value: str
    options: Sequence[tuple[str, str]]
    required: bool
    help: str
    most: int


def inputs(site: Site, type_name: str, values: Mapping[str, Any], *, required: bool = False) -> list[Input]:
    """The added fields of an edit form with what was typed or stored; a short form has ``required`` ones."""
    return [
        _input(f, values.get(f.key, f.default))
        for f in _fields(site, type_name)
        if f.field.required or not required
    ]


def filters(site: Site, type_name: str, chosen: Mapping[str, Any]) -> list[Input]:
    """The added fields that a list of ``type_name`` can be narrowed down by, with what is ``chosen``."""
    return [_filter(f, chosen.get(f.key)) for f in _fields(site, type_name) if f.filter]


def facts(site: Site, item: Content, place: str) -> list[tuple[str, str]]:
    """The added values of ``item`` that are shown in ``place``, each with its label."""
    found: list[tuple[str, str]] = []
    for field in _fields(site, item.type):
        value = field.value_of(item.extra)
        if place in field.places and value not in (None, "", []):
            found.append((_both(field.title, field.title_en), _both(*field.says(value))))
    return found


def _fields(site: Site, type_name: str) -> Sequence[ContentField]:
    kind = site.types.get(type_name)
    return kind.fields if kind is not None else ()


def _input(field: ContentField, value: Any) -> Input:
    options = _options(field)
    if options and not (field.field.required and value) and field.default is None:
        options = [("", _("请选择")), *options]
    return Input(
        name=field.key,
        label=_both(field.title, field.title_en),
        kind=next((kind for cls, kind in KINDS if isinstance(field.field, cls)), "text"),
        value=_typed(value),
        options=options,
        required=field.field.required,
        help=_both(field.help, field.help_en),
        most=_most(field),
    )


def _filter(field: ContentField, value: Any) -> Input:
    label = _both(field.title, field.title_en)
    options = [("", _("不限")), *_options(field)]
    return Input(field.key, label, "select", _typed(value), options, False, "", 0)


def _options(field: ContentField) -> list[tuple[str, str]]:
    if isinstance(field.field, fields.Boolean):
        return [("true", _both(*field.says(True))), ("false", _both(*field.says(False)))]
    return [(c.value, _both(c.title, c.title_en)) for c in field.choices]


def _typed(value: Any) -> str:
    """``value`` as it stands in a form."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return "，".join(value) if isinstance(value, list) else str(value)


def _most(field: ContentField) -> int:
    lengths = [v.max for v in field.field.validators if isinstance(v, validate.Length) and v.max]
    return min([*lengths, MAX_VALUE])


def _both(zh: str, en: str) -> str:
    return zh if language() == "zh" else en or zh
