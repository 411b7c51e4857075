"""What every plugin that is installed, enabled, or has tables here is doing, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyun.migrate import CORE, Migrator
from keyun.plugins import state

if TYPE_CHECKING:
    from keyun.site import Site


@dataclass(frozen=True, slots=True)
class Row:
    """One plugin as lists show it."""

    name: str
    title: str
    version: str
    state: str
    slot: str
    problems: list[str]
    #: Hooks that are left out because they were too slow.
    suspended: list[str]


def survey(site: Site) -> list[Row]:
    """Every plugin with its state, by name; nothing is imported for it."""
    found = site.plugins.installation
    enabled = state.load(site.runtime.config.state_file).enabled
    lineages = Migrator(site.runtime.engine, found.manifests).status()
    schema = {s.name: s.state for s in lineages if s.name != CORE}
    names = sorted({*found.manifests, *found.problems, *enabled, *schema})
    return [_row(site, name, enabled) for name in names]


def _row(site: Site, name: str, enabled: tuple[str, ...]) -> Row:
    loaded, found = site.plugins, site.plugins.installation
    manifest = found.manifests.get(name)
    problems = list(loaded.faults.get(name, ()))
    if name in found.problems and not problems:
        problems = [found.problems[name]]
    if manifest is None and name not in found.problems:
        where = "missing" if name in enabled else "orphaned"
        problems = problems or [
            f"{name} has tables here but is not installed; pip install it to reach its data"
        ]
    elif name not in enabled:
        where = "faulted" if name in found.problems else "disabled"
    elif name in loaded.pending:
        where = "pending-migration"
    elif problems:
        where = "faulted"
    else:
        where = "active" if any(p.name == name for p in loaded.plugins.values()) else "disabled"
    title, version = (manifest.title, manifest.version) if manifest else ("", "")
    return Row(
        name,
        title,
        version,
        where,
        manifest.slot if manifest else name,
        problems,
        loaded.suspended().get(name, []),
    )
