"""Decide what loads and in which order. Pure functions over manifests: nothing is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from keyun.plugins.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Plan:
    """What to load, base first, and why the rest stays out (plugin name to its problems)."""

    order: tuple[Manifest, ...]
    problems: Mapping[str, tuple[str, ...]]


def plan(
    enabled: Sequence[str],
    manifests: Mapping[str, Manifest],
    api_version: str,
    faults: Mapping[str, str] | None = None,
) -> Plan:
    """Order the ``enabled`` plugins so that each comes after what it needs.

    What loads later wins: it is asked first by a hook, and its templates, translations and assets
    are found first. ``faults`` are problems known before (unreadable manifests, missing extras).
    A plugin with a problem stays out, and with it whatever requires it.
    """
    problems: dict[str, list[str]] = {}
    chosen = _choose(enabled, manifests, api_version, faults or {}, problems)
    slots = _slots(chosen, manifests, problems)
    requires = _requires(chosen, slots, enabled, problems)
    _spread(requires, problems)
    graph = {
        m.name: requires[m.name] | {slots[a] for a in m.after if a in slots} - {m.name}
        for m in chosen.values()
    }
    order = _sort(graph, enabled, problems)
    _spread(requires, problems)
    loaded = tuple(chosen[n] for n in order if n not in problems)
    return Plan(loaded, {n: tuple(p) for n, p in problems.items()})


def _choose(
    enabled: Sequence[str],
    manifests: Mapping[str, Manifest],
    api_version: str,
    faults: Mapping[str, str],
    problems: dict[str, list[str]],
) -> dict[str, Manifest]:
    chosen: dict[str, Manifest] = {}
    for name in enabled:
        if name in faults:
            problems.setdefault(name, []).append(faults[name])
        if name not in manifests:
            if name not in faults:
                problems.setdefault(name, []).append(
                    f"{name} is enabled but not installed; "
                    f"pip install it or run `keyun plugins disable {name}`"
                )
            continue
        manifest = chosen[name] = manifests[name]
        if not manifest.api.contains(api_version, prereleases=True):
            problems.setdefault(name, []).append(
                f"{name} needs plugin API {manifest.api}, this Keyun offers {api_version}; "
                f"install a matching version or run `keyun plugins disable {name}`"
            )
        if missing := manifest.missing_modules():
            problems.setdefault(name, []).append(
                f"{name} needs {', '.join(missing)}; run `pip install 'keyun[{manifest.extra or name}]'`"
            )
    return chosen


def _slots(
    chosen: Mapping[str, Manifest], manifests: Mapping[str, Manifest], problems: dict[str, list[str]]
) -> dict[str, str]:
    """Map each slot to the plugin that fills it; two for one slot are a problem of the later one."""
    slots: dict[str, str] = {}
    for m in chosen.values():
        other = slots.setdefault(m.slot, m.name)
        if other != m.name:
            gone = m.slot if m.slot in (m.name, other) else other
            problems.setdefault(m.name, []).append(
                f"{m.name} and {other} both serve {m.slot}; run `keyun plugins disable {gone}`"
                + (", or write `requires` instead of `extends` to work beside it" if m.extends else "")
            )
        if m.extends and m.extends not in manifests:
            problems.setdefault(m.name, []).append(
                f"{m.name} extends {m.extends}, which is not installed; pip install it"
            )
    return slots


def _requires(
    chosen: Mapping[str, Manifest],
    slots: Mapping[str, str],
    enabled: Sequence[str],
    problems: dict[str, list[str]],
) -> dict[str, set[str]]:
    """Map each plugin to the plugins that serve what it requires."""
    requires: dict[str, set[str]] = {}
    for m in chosen.values():
        for need in m.requires:
            if need in slots:
                continue
            repair = f"repair {need} first" if need in enabled else f"run `keyun plugins enable {need}`"
            problems.setdefault(m.name, []).append(f"{m.name} requires {need}; {repair}")
        requires[m.name] = {slots[n] for n in m.requires if n in slots} - {m.name}
    return requires


def _spread(requires: Mapping[str, set[str]], problems: dict[str, list[str]]) -> None:
    """A plugin whose requirement stays out stays out itself."""
    changed = True
    while changed:
        changed = False
        for name, needs in requires.items():
            broken = sorted(needs & problems.keys())
            if broken and name not in problems:
                problems[name] = [f"{name} requires {broken[0]}, which has a problem of its own"]
                changed = True


def _sort(graph: Mapping[str, set[str]], enabled: Sequence[str], problems: dict[str, list[str]]) -> list[str]:
    """Return the names base first, ties by the order of the file; a cycle is left out as a problem."""
    rank = {name: i for i, name in enumerate(enabled)}
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as e:
        path = list(e.args[1])
        for name in set(path):
            problems.setdefault(name, []).append(
                f"plugins wait for each other: {' -> '.join(path)}; disable one of them"
            )
        rest = {n: needs - set(path) for n, needs in graph.items() if n not in path}
        return _sort(rest, enabled, problems)
    order: list[str] = []
    # A plain loop over static_order() would not honour the order of the file.
    while sorter.is_active():
        for name in sorted(sorter.get_ready(), key=lambda n: rank.get(n, len(rank))):
            order.append(name)
            sorter.done(name)
    return order


def lineages(enabled: Sequence[str], manifests: Mapping[str, Manifest]) -> list[str]:
    """Return the plugins whose tables ``enabled`` needs: each base before its extension."""
    out: list[str] = []
    for name in enabled:
        chain: list[str] = []
        m = manifests.get(name)
        while m is not None and m.name not in chain:
            chain.append(m.name)
            m = manifests.get(m.extends) if m.extends else None
        out += [n for n in reversed(chain) if n not in out]
    return out
