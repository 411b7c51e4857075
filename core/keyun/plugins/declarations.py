"""What the hooks that are called once may return. A wrong declaration is a fault of the plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar

from marshmallow import Schema

from keyun.access import ROLES
from keyun.plugins.base import Plugin
from keyun.plugins.mapping import Fault

T = TypeVar("T")
#: No plugin declares or shows so many things at once; an iterable without an end is cut off here.
MANY = 10_000
#: Hooks that declare named things; a name belongs to one plugin of a site.
NAMED = frozenset(
    {"keyun_permissions", "keyun_content_types", "keyun_importers", "keyun_exporters", "keyun_jobs"}
)
Check = Callable[[Plugin, Any], None]


def listed(answer: object, *kinds: type[T]) -> list[T]:
    """The ``answer`` of a hook as a list of ``kinds``; nothing at all counts as none.

    :raises TypeError: when it is something else.
    """
    if answer is None:
        return []
    wanted = " or ".join(k.__name__ for k in kinds)
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
        raise TypeError(f"it returned {type(answer).__name__}, not an iterable of {wanted}")
    found = list(islice(answer, MANY + 1))
    if len(found) > MANY:
        raise TypeError(f"it returned more than {MANY} things")
    for thing in found:
        if not isinstance(thing, kinds):
            raise TypeError(f"it returned a {type(thing).__name__} among its {wanted}")
    return found


def names(plugin: Plugin, hook: str, found: Iterable[Any], owners: Mapping[str, str]) -> dict[str, str]:
    """``owners`` of the names of one ``hook``, and those that ``found`` adds.

    :raises Fault: when a name belongs to somebody else, or is declared twice.
    """
    known = dict(owners)
    for thing in found:
        if (other := known.setdefault(thing.name, plugin.name)) != plugin.name:
            raise Fault(f"{hook}: {thing.name} is already declared by {other}")
    declared = [thing.name for thing in found]
    if twice := {n for n in declared if declared.count(n) > 1}:
        raise Fault(f"{hook}: {', '.join(sorted(twice))} is declared twice")
    return known


def core_names() -> dict[str, dict[str, str]]:
    """By hook, the names that are the core's own."""
    from keyun.defaults import core_exporters, core_importers, core_jobs, core_permissions

    return {
        "keyun_permissions": {p.name: "core" for p in core_permissions()},
        "keyun_importers": {i.name: "core" for i in core_importers()},
        "keyun_exporters": {e.name: "core" for e in core_exporters()},
        "keyun_jobs": {j.name: "core" for j in core_jobs()},
    }


def shapes() -> Mapping[str, tuple[type, Check]]:
    """By hook, what it returns and what is asked of each thing; in this order the hooks are called."""
    from flask import Blueprint
    from flask_smorest import Blueprint as ApiBlueprint

    from keyun.access import Permission
    from keyun.content.fields import ContentField
    from keyun.content.types import ContentType
    from keyun.exchange.types import Exporter, Importer
    from keyun.jobs import Job
    from keyun.search.port import SearchSource

    return {
        "keyun_permissions": (Permission, _permission),
        "keyun_content_types": (ContentType, _content_type),
        "keyun_content_fields": (ContentField, _anything),
        "keyun_importers": (Importer, _importer),
        "keyun_exporters": (Exporter, _exporter),
        "keyun_search_sources": (SearchSource, _source),
        "keyun_jobs": (Job, _job),
        "keyun_blueprints": (Blueprint, _anything),
        "keyun_api": (ApiBlueprint, _anything),
    }


def _anything(_plugin: Plugin, _thing: Any) -> None:
    """Pages and fields are looked at elsewhere, all of a plugin together."""


def _permission(plugin: Plugin, permission: Any) -> None:
    _named(plugin, "permission", permission.name)
    roles = permission.roles
    if not isinstance(roles, set | frozenset) or (unknown := roles - set(ROLES)):
        wrong = roles if not isinstance(roles, set | frozenset) else ", ".join(sorted(map(str, unknown)))
        raise Fault(f"permission {permission.name}: unknown role(s) {wrong}")
    if not isinstance(permission.level, int) or not 0 <= permission.level <= 3:
        raise Fault(f"permission {permission.name}: level must be 0, 1, 2 or 3")


def _content_type(plugin: Plugin, kind: Any) -> None:
    from keyun.content.models import Content

    _named(plugin, "content type", kind.name)
    if not (isinstance(kind.model, type) and issubclass(kind.model, Content)):
        raise Fault(f"content type {kind.name}: its model is no subclass of keyun.content.Content")
    identity = kind.model.__mapper__.polymorphic_identity
    if identity != kind.name:
        raise Fault(f"content type {kind.name}: its model {kind.model.__name__} is stored as {identity!r}")
    _schema("content type", kind.name, kind.schema)


def _importer(_plugin: Plugin, importer: Any) -> None:
    if not isinstance(importer.name, str) or not importer.name:
        raise Fault(f"an importer has no name, but {importer.name!r}")
    _schema("importer", importer.name, importer.schema)
    if not callable(importer.write):
        raise Fault(f"importer {importer.name}: write cannot be called")


def _exporter(_plugin: Plugin, exporter: Any) -> None:
    if not isinstance(exporter.name, str) or not exporter.name:
        raise Fault(f"an exporter has no name, but {exporter.name!r}")
    _schema("exporter", exporter.name, exporter.schema)
    if not callable(exporter.read):
        raise Fault(f"exporter {exporter.name}: read cannot be called")


def _source(_plugin: Plugin, source: Any) -> None:
    if not isinstance(source.type, str) or not callable(source.extra):
        raise Fault(f"search source {source.type!r}: it needs the name of a type and a function")


def _job(plugin: Plugin, job: Any) -> None:
    _named(plugin, "job", job.name)
    if not callable(job.run):
        raise Fault(f"job {job.name}: run cannot be called")
    if job.every is not None and not (isinstance(job.every, int | float) and job.every > 0):
        raise Fault(f"job {job.name}: every must be a number of seconds above 0, not {job.every!r}")


def _named(plugin: Plugin, what: str, name: object) -> None:
    if not isinstance(name, str) or not name.startswith(f"{plugin.slot}."):
        raise Fault(f"{what} {name!r} must be named '{plugin.slot}.…'")


def _schema(what: str, name: str, schema: object) -> None:
    if not (isinstance(schema, type) and issubclass(schema, Schema)):
        raise Fault(f"{what} {name}: its schema is no marshmallow Schema class")
    try:
        schema()
    except Exception as e:
        raise Fault(f"{what} {name}: its schema cannot be made: {type(e).__name__}: {e}") from None
