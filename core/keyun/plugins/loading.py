"""Import plugins, check them, and ask them what they declare: the same in every process.

A plugin with any problem stays out whole; the reason is a sentence that stands in ``Site.plugins.faults``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from marshmallow import RAISE, ValidationError

from keyun import hookspecs
from keyun.plugins import declarations, mapping
from keyun.plugins.base import Plugin
from keyun.plugins.manifest import Manifest
from keyun.plugins.mapping import Fault
from keyun.plugins.mounting import try_files, try_mounting
from keyun.plugins.order import lineages
from keyun.plugins.wrapping import WRAPPABLE

if TYPE_CHECKING:
    from keyun.plugins.manager import PluginManager


class Loader:
    """Fills a manager once, from nothing."""

    def __init__(self, manager: PluginManager, settings: Mapping[str, Mapping[str, Any]]) -> None:
        self.manager = manager
        self.settings = settings
        self.manifests = manager.installation.manifests
        self._names = declarations.core_names()
        self._types: dict[tuple[str, Any], str] = {}

    def load_all(self, order: Sequence[Manifest]) -> tuple[str, str] | None:
        """Load ``order``; returns the first plugin that cannot be, and why."""
        mapping.configure_core()
        mapping.claim("core", ["keyun"], self._types)
        self.manager.start_over()
        for manifest in order:
            try:
                self._load(manifest)
            except Fault as e:
                return manifest.name, str(e)
        for plugin in self.manager.plugins.values():
            if unknown := self._unknown_hooks(plugin):
                return plugin.name, self._no_such_hook(unknown)
            if wrong := self._wrong_wrappers(plugin):
                return plugin.name, f"no wrapper may stand around {', '.join(wrong)}"
        return None

    def _load(self, manifest: Manifest) -> None:
        package = manifest.entry_point.module.partition(".")[0]
        chain = lineages([manifest.name], self.manifests)

        def work() -> None:
            plugin = self._make(manifest)
            packages = {self.manifests[n].entry_point.module.partition(".")[0] for n in chain}
            mapping.claim(manifest.name, packages, self._types)
            self.manager.admit(plugin)
            self._ask(plugin)

        mapping.trial(package, chain, work)

    def _make(self, manifest: Manifest) -> Plugin:
        cls = manifest.entry_point.load()
        if not (isinstance(cls, type) and issubclass(cls, Plugin)):
            raise Fault(f"entry point {manifest.entry_point.value} is not a keyun.plugins.Plugin subclass")
        raw = self.settings.get(manifest.slot, {})
        try:
            values = cls.settings_schema(unknown=RAISE).load(dict(raw))
        except ValidationError as e:
            raise Fault(f"invalid settings in [plugin.{manifest.slot}]: {e.messages}") from None
        chain = reversed(lineages([manifest.name], self.manifests))
        roots = tuple(self.manifests[n].root for n in chain)
        plugin = cls(manifest, cast("Mapping[str, Any]", values), roots)
        for name in dir(cls):
            if name.startswith("keyun_") and not hasattr(getattr(plugin, name), "keyun_impl"):
                raise Fault(f"{cls.__name__}.{name} looks like a hook but lacks @hookimpl")
        return plugin

    def _ask(self, plugin: Plugin) -> None:
        """Call every hook that is called once, and keep the answers."""
        for hook, (kind, check) in declarations.shapes().items():
            try:
                found: list[Any] = declarations.listed(self.manager.ask(hook, plugin), kind)
            except KeyboardInterrupt:
                raise
            except BaseException as e:
                package = plugin.manifest.entry_point.module.partition(".")[0]
                raise Fault(f"{hook} failed with {mapping.describe(e, package)}") from e
            for thing in found:
                check(plugin, thing)
            if hook in declarations.NAMED:
                self._names[hook] = declarations.names(plugin, hook, found, self._names.get(hook, {}))
            self.manager.keep(hook, plugin, found)
        self._check_fields(plugin)
        pages, operations, kinds = (
            self.manager.kept(h, plugin) for h in ("keyun_blueprints", "keyun_api", "keyun_content_types")
        )
        try_mounting(plugin, pages, operations, kinds)
        try_files(plugin)

    def _check_fields(self, plugin: Plugin) -> None:
        from keyun.content.fields import problem

        kept = self.manager.kept
        # Who stands in for a plugin need not have all its types; a field for one of them is passed over.
        owners = [p for p in self.manager.plugins.values() if p.manifest.replaces is None]
        types = {p.slot: {t.name for t in kept("keyun_content_types", p)} for p in owners}
        acquainted = {*plugin.manifest.requires, *plugin.manifest.after}
        if wrong := problem(kept("keyun_content_fields", plugin), plugin.slot, acquainted, types):
            raise Fault(wrong)

    def _unknown_hooks(self, plugin: Plugin) -> list[str]:
        return [
            caller.name
            for caller in self.manager.hook_callers(plugin)
            if not caller.has_spec()
            and any(i.plugin is plugin and not i.optionalhook for i in caller.get_hookimpls())
        ]

    def _no_such_hook(self, unknown: Sequence[str]) -> str:
        """What is wrong, and the hooks whose names are nearest."""
        known = self.manager.hook_names()
        near = list(dict.fromkeys(n for u in unknown for n in get_close_matches(u, known, 1)))
        meant = f"; did you mean {', '.join(near)}?" if near else ""
        return f"unknown hook(s) {', '.join(unknown)}{meant} docs/reference/hooks.md lists them"

    def _wrong_wrappers(self, plugin: Plugin) -> list[str]:
        """Hooks of the core that ``plugin`` wraps although nothing would call its wrapper."""
        return [
            caller.name
            for caller in self.manager.hook_callers(plugin)
            if hasattr(hookspecs, caller.name)
            and any(
                i.plugin is plugin and (i.hookwrapper or (i.wrapper and caller.name not in WRAPPABLE))
                for i in caller.get_hookimpls()
            )
        ]
