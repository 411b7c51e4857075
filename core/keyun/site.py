"""What lives as long as a set of plugins: types, permissions, jobs and importers, collected once."""

from __future__ import annotations

import contextlib
import threading
import zoneinfo
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from keyun.access import Access
from keyun.content.fields import extended, with_fields
from keyun.content.models import listen
from keyun.content.types import ContentType
from keyun.defaults import Core, core_exporters, core_importers, core_jobs, core_permissions
from keyun.errors import NotFound
from keyun.exchange.types import Exporter, Importer
from keyun.jobs import Job
from keyun.migrate import Migrator
from keyun.plugins import state
from keyun.plugins.budget import Budget
from keyun.plugins.manager import Installation, PluginManager
from keyun.regions.services import Tree, tree
from keyun.runtime import Runtime
from keyun.search.port import SearchBackend, SearchSource
from keyun.uow import UnitOfWork, open_unit

__all__ = ["Site"]

X = TypeVar("X", Importer, Exporter)


class Site:
    """One runtime with one set of plugins. Shells (web, command, worker) stand on it."""

    def __init__(self, runtime: Runtime, plugins: PluginManager, generation: int = 0) -> None:
        self.runtime = runtime
        self.plugins = plugins
        self.generation = generation
        self.timezone = zoneinfo.ZoneInfo(runtime.config.site["timezone"])
        for plugin in plugins.plugins.values():
            plugin.site = self
        plugins.add_core(Core(self))
        self._search: SearchBackend | None = None
        self._lock = threading.Lock()
        self.access = Access.of([*core_permissions(), *plugins.permissions()])
        added = plugins.content_fields()
        self.types: dict[str, ContentType] = {t.name: with_fields(t, added) for t in plugins.content_types()}
        self.type_names = tuple(self.types)
        self.jobs: dict[str, Job] = {j.name: j for j in [*plugins.jobs(), *core_jobs()]}
        importers = [*plugins.importers(), *core_importers()]
        self.importers: dict[str, Importer] = {i.name: self._with_columns(i) for i in importers}
        exporters = [*plugins.exporters(), *core_exporters()]
        self.exporters: dict[str, Exporter] = {e.name: self._with_columns(e) for e in exporters}
        self.sources: dict[str, SearchSource] = {s.type: s for s in plugins.search_sources()}
        runtime.derived("content.listener", lambda: _listen(runtime))

    @classmethod
    def open(
        cls,
        runtime: Runtime,
        enabled: Iterable[str] | None = None,
        installation: Installation | None = None,
        generation: int = 0,
    ) -> Site:
        """Load the plugins that the state file names, on top of ``runtime``.

        With ``enabled`` (and its ``generation``) the file is not read: it may have moved on, or be damaged.
        """
        found = installation or Installation.scan()
        if enabled is None:
            current = state.load(runtime.config.state_file)
        else:
            current = state.State(tuple(enabled), generation)
        wanted = list(current.enabled)
        pending = pending_plugins(runtime, found, wanted)
        settings = runtime.config
        budget = Budget(settings.plugins["hook_budget_ms"], settings.suspended_file, runtime.clock)
        manager = PluginManager.load(wanted, settings.plugin, found, pending, budget)
        return cls(runtime, manager, current.generation)

    def _with_columns(self, exchange: X) -> X:
        """An importer or exporter with a column for every field that plugins add to its content type."""
        kind = self.types.get(exchange.type)
        if kind is None or not kind.fields:
            return exchange
        return replace(exchange, schema=extended(exchange.schema, kind.fields))

    @property
    def regions(self) -> Tree:
        """The administrative divisions."""

        def load() -> Tree:
            with self.reading() as unit:
                return tree(unit.session)

        return self.runtime.derived("regions", load)

    @property
    def search_backend(self) -> SearchBackend:
        """The search engine: asked for once; one that cannot be had now is asked for again next time."""
        with self._lock:
            if self._search is None:
                self._search = self.plugins.search_backend(self)
            return self._search

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
