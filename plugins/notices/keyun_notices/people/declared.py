"""Which attributes there are: asked of all plugins by hook."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from keyun.site import Site
from keyun_notices.audience.attributes import Attribute, Choice, by_name

log = logging.getLogger(__name__)
HOOK = "keyun_notices_attributes"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
OURS = "notices"
KINDS = ("code", "number", "region", "set")


def declared(site: Site) -> dict[str, Attribute]:
    """Every attribute by name; those of other plugins are named ``<slot>.<name>``.

    A plugin that fails is logged, and its attributes are missing: an expression that names one is refused.
    """
    found: dict[str, Attribute] = {}
    for asked in site.plugins.hook.keyun_notices_attributes.get_hookimpls():
        mine: dict[str, Attribute] = {}
        try:
            for attribute in map(_attribute, asked.function()):
                _check(asked.plugin.slot, attribute, {**found, **mine})
                mine[attribute.name] = attribute
        except Exception:
            log.exception("plugin %s failed in %s; its attributes are missing", asked.plugin.name, HOOK)
        else:
            found |= mine
    return by_name(sorted(found.values(), key=lambda a: "." in a.name))


def _attribute(declared: Attribute | Mapping[str, Any]) -> Attribute:
    """The attribute that a plugin declares; one that imports nothing of ours gives a mapping."""
    if isinstance(declared, Attribute):
        return declared
    choices = tuple(c if isinstance(c, Choice) else Choice(*c) for c in declared.get("choices", ()))
    return Attribute(**{**declared, "choices": choices})


def _check(slot: str, attribute: Attribute, found: Mapping[str, Attribute]) -> None:
    prefix, _, name = attribute.name.rpartition(".")
    if prefix != ("" if slot == OURS else slot) or not NAME.fullmatch(name):
        raise ValueError(f"{attribute.name!r} must be named {slot}.<name> in lower case with hyphens")
    if attribute.name in found:
        raise ValueError(f"{attribute.name} is declared twice")
    if attribute.kind not in KINDS:
        raise ValueError(f"{attribute.name}: kind {attribute.kind!r} must be one of {', '.join(KINDS)}")
    attribute.rows()
