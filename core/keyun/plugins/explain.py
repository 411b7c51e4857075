"""Say why the plugins load in the order they do, and who wins where several of them speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keyun.plugins.manifest import Manifest

if TYPE_CHECKING:
    from keyun.site import Site

CORE = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Place:
    """Where one plugin stands in the order, and what put it there."""

    number: int
    name: str
    slot: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Winners:
    """Where several plugins speak: who is asked, or found, first."""

    #: Hooks whose first answer counts: the plugins in the order of asking.
    first_answer: Mapping[str, tuple[str, ...]]
    #: Hooks that ask everybody: the plugins in load order.
    everybody: Mapping[str, tuple[str, ...]]
    #: Template files that more than one ships, the one that is used first.
    templates: Mapping[str, tuple[str, ...]]
    #: Catalogues of translations, the one that wins first.
    translations: tuple[str, ...]


def places(order: Sequence[Manifest], enabled: Sequence[str]) -> list[Place]:
    """Every plugin of ``order`` with the reasons for its place; ``enabled`` is the order of the file."""
    slots = {m.slot: m.name for m in order}
    return [
        Place(number, m.name, m.slot, tuple(_because(m, slots, enabled)))
        for number, m in enumerate(order, start=1)
    ]


def _because(manifest: Manifest, slots: Mapping[str, str], enabled: Sequence[str]) -> list[str]:
    reasons = []
    if manifest.replaces:
        reasons.append(f"replaces {manifest.replaces}: stands in its place")
    if manifest.extends:
        reasons.append(f"extends {manifest.extends}: stands in its place, on its tables and templates")
    for word, needs in (("requires", manifest.requires), ("after", manifest.after)):
        for need in needs:
            if (server := slots.get(need)) not in (None, manifest.name):
                served = "" if server == need else f" (served by {server})"
                reasons.append(f"{word} {need}{served}: loads after it")
    if manifest.name in enabled:
        tie = "" if len(reasons) else "; waits for nobody, so the file decides"
        reasons.append(f"number {enabled.index(manifest.name) + 1} in plugins.toml{tie}")
    return reasons


def winners(site: Site) -> Winners:
    """Who wins in this site: what loads later, over the core; the instance folder over everything."""
    asked = site.plugins.asked()
    return Winners(
        {hook: names for hook, (first, names) in asked.items() if first},
        {hook: names for hook, (first, names) in asked.items() if not first and len(names) > 1},
        _templates(site),
        _translations(site),
    )


def _translations(site: Site) -> tuple[str, ...]:
    """The instance first; the core keeps its own texts; among plugins the one that loads later wins."""
    found = dict.fromkeys(name for name, folder in _layers(site) if (folder / "translations").is_dir())
    first = [name for name in ("instance", "core") if name in found]
    return (*first, *(name for name in found if name not in first))


def _layers(site: Site) -> list[tuple[str, Path]]:
    """The folders that templates and translations are looked up in, the strongest first."""
    plugins = [(p.name, root) for p in reversed(site.plugins.plugins.values()) for root in p.roots]
    return [("instance", site.runtime.instance), *plugins, ("core", CORE)]


def _templates(site: Site) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, folder in _layers(site):
        root = folder / "templates"
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            if path.is_file():
                found.setdefault(path.relative_to(root).as_posix(), []).append(name)
    return {path: tuple(names) for path, names in sorted(found.items()) if len(names) > 1}
