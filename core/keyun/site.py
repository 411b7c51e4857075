"""What lives as long as a set of plugins: types, permissions, jobs and importers, collected once."""

from __future__ import annotations

import contextlib
import zoneinfo
from collections.abc import Iterable

from keyun.access import Access
from keyun.content.models import listen
from keyun.content.types import ContentType
from keyun.defaults import core_importers, core_jobs, core_permissions
from keyun.errors import NotFound
from keyun.exchange.types import Importer
from keyun.jobs import Job
from keyun.migrate import Migrator
from keyun.plugins import state
from keyun.plugins.manager import Installation, PluginManager
from keyun.regions.services import Tree, tree
from keyun.runtime import Runtime
from keyun.search.port import SearchSource
from keyun.uow import UnitOfWork, open_unit


class Site:
    """One runtime with one set of plugins. Shells (web, command, worker) stand on it."""

    def __init__(self, runtime: Runtime, plugins: PluginManager, generation: int = 0) -> None:
        self.runtime = runtime
        self.plugins = plugins
        self.generation = generation
        self.timezone = zoneinfo.ZoneInfo(runtime.config.site["timezone"])
        for plugin in plugins.plugins.values():
            plugin.site = self
        self.access = Access.of([*core_permissions(), *plugins.permissions()])
        self.types: dict[str, ContentType] = {t.name: t for t in plugins.content_types()}
        self.type_names = tuple(self.types)
        self.jobs: dict[str, Job] = {j.name: j for j in [*plugins.jobs(), *core_jobs()]}
        self.importers: dict[str, Importer] = {i.name: i for i in [*plugins.importers(), *core_importers()]}
        self.sources: dict[str, SearchSource] = {s.type: s for s in plugins.search_sources()}
        runtime.derived("content.listener", lambda: _listen(runtime))

    @classmethod
    def open(
        cls,
        runtime: Runtime,
        enabled: Iterable[str] | None = None,
        installation: Installation | None = None,
    ) -> Site:
        """Load the plugins that the state file (or ``enabled``) names, on top of ``runtime``."""
        found = installation or Installation.scan()
        current = state.load(runtime.config.state_file)
        wanted = list(current.enabled if enabled is None else enabled)
        pending = pending_plugins(runtime, found, wanted)
        manager = PluginManager.load(wanted, runtime.config.plugin, found, pending)
        return cls(runtime, manager, current.generation)

    @property
    def regions(self) -> Tree:
        """The administrative divisions."""

        def load() -> Tree:
            with self.reading() as unit:
                return tree(unit.session)

        return self.runtime.derived("regions", load)

    def content_type(self, name: str) -> ContentType:
        """The loaded content type ``name``.

        :raises NotFound: when its plugin is not loaded.
        """
        try:
            return self.types[name]
        except KeyError:
            raise NotFound(f"content type {name} is not available; is its plugin enabled?") from None

    def reading(self) -> contextlib.AbstractContextManager[UnitOfWork]:
        """Open a unit of work that only reads."""
        return open_unit(self, write=False)

    def writing(self) -> contextlib.AbstractContextManager[UnitOfWork]:
        """Open a unit of work that commits at its end."""
        return open_unit(self, write=True)


def pending_plugins(runtime: Runtime, found: Installation, wanted: Iterable[str]) -> list[str]:
    """The wanted plugins whose tables are not at the newest version."""
    migrator = Migrator(runtime.engine, found.manifests)
    behind = {s.name for s in migrator.status() if s.state in ("pending", "absent")}
    return [n for n in wanted if n in behind]


def _listen(runtime: Runtime) -> bool:
    """Filter content queries of this process once, however many sites it opens."""
    listen(runtime.sessions)
    return True
