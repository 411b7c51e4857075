"""Load plugins in order and call their hooks. ``Any`` never leaves this module."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pluggy
from marshmallow import RAISE, ValidationError

from keyun import hookspecs
from keyun.errors import PluginError
from keyun.plugins.base import Plugin
from keyun.plugins.manifest import Manifest, installed
from keyun.plugins.order import lineages, plan

if TYPE_CHECKING:
    import click
    from flask import Blueprint
    from flask_smorest import Blueprint as ApiBlueprint

    from keyun.access import Actor, Permission
    from keyun.content.types import ContentType, Draft, Verdict
    from keyun.events.models import Committed
    from keyun.exchange.types import Importer
    from keyun.jobs import Job
    from keyun.search.port import SearchSource

log = logging.getLogger(__name__)
#: Hooks that declare named things; a name belongs to one plugin.
DECLARATIONS = ("keyun_permissions", "keyun_content_types", "keyun_importers", "keyun_jobs")


@dataclass(frozen=True, slots=True)
class Installation:
    """What is installed: readable manifests, and what is wrong with the others, by name."""

    manifests: Mapping[str, Manifest]
    problems: Mapping[str, str]

    @classmethod
    def scan(cls) -> Installation:
        """Look at every installed distribution; nothing is imported."""
        return cls(*installed())


class PluginManager:
    """The plugins of one application, and one typed method for each hook."""

    def __init__(self, installation: Installation) -> None:
        self._pm = pluggy.PluginManager("keyun")
        self._pm.add_hookspecs(hookspecs)
        self.installation = installation
        #: Loaded plugins by the slot they fill, in load order.
        self.plugins: dict[str, Plugin] = {}
        #: Why an enabled plugin is not loaded, by its name.
        self.faults: dict[str, tuple[str, ...]] = {}
        #: Plugins that wait for ``keyun db upgrade``.
        self.pending: set[str] = set()

    @classmethod
    def load(
        cls,
        enabled: Iterable[str],
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        installation: Installation | None = None,
        pending: Iterable[str] = (),
    ) -> PluginManager:
        """Load the ``enabled`` plugins; those with a problem stay out and stand in ``faults``.

        ``pending`` are plugins whose tables are not up to date; they stay out as well.
        """
        self = cls(installation or Installation.scan())
        manifests = self.installation.manifests
        wanted = list(dict.fromkeys(enabled))
        faults = dict(self.installation.problems)
        for name in pending:
            if name in manifests:
                self.pending.add(name)
                faults[name] = f"{name}: its tables are not up to date; run `keyun db upgrade`"
        # A plugin that breaks while loading takes those that require it along: plan again without it.
        while True:
            chosen = plan(wanted, manifests, hookspecs.API_VERSION, faults)
            fault = self._load_all(chosen.order, settings or {})
            if fault is None:
                self.faults = dict(chosen.problems)
                return self
            faults[fault[0]] = f"{fault[0]}: {fault[1]}; repair it or run `keyun plugins disable {fault[0]}`"

    def _load_all(
        self, order: Sequence[Manifest], settings: Mapping[str, Mapping[str, Any]]
    ) -> tuple[str, str] | None:
        self._pm = pluggy.PluginManager("keyun")
        self._pm.add_hookspecs(hookspecs)
        self.plugins = {}
        for manifest in order:
            try:
                self._add(manifest, settings.get(manifest.slot, {}))
            # A stranger's code may fail in any way; whatever it is, it is named and the rest serves.
            except Exception as e:
                log.exception("plugin %s cannot be loaded", manifest.name)
                return manifest.name, f"{type(e).__name__}: {e}"
        for plugin in self.plugins.values():
            if unknown := self._unknown_hooks(plugin):
                return plugin.name, f"unknown hook(s) {', '.join(unknown)}"
        return self._bad_declaration()

    def _bad_declaration(self) -> tuple[str, str] | None:
        """The first plugin whose declarations fail or claim a name that another one has."""
        for hook in DECLARATIONS:
            owners: dict[str, str] = {}
            for plugin in self.plugins.values():
                try:
                    names = [thing.name for thing in self._one(hook, plugin, {}) or ()]
                except Exception as e:
                    log.exception("plugin %s failed in %s", plugin.name, hook)
                    return plugin.name, f"{hook} failed with {type(e).__name__}: {e}"
                for name in names:
                    if owners.setdefault(name, plugin.name) != plugin.name:
                        return plugin.name, f"{hook}: {name} is already declared by {owners[name]}"
        return None

    def _add(self, manifest: Manifest, raw: Mapping[str, Any]) -> None:
        cls = manifest.entry_point.load()
        if not (isinstance(cls, type) and issubclass(cls, Plugin)):
            raise TypeError(
                f"entry point {manifest.entry_point.value} is not a keyun.plugins.Plugin subclass"
            )
        try:
            values = cls.settings_schema(unknown=RAISE).load(dict(raw))
        except ValidationError as e:
            raise ValueError(f"invalid settings in [plugin.{manifest.slot}]: {e.messages}") from None
        chain = reversed(lineages([manifest.name], self.installation.manifests))
        roots = tuple(self.installation.manifests[n].root for n in chain)
        plugin = cls(manifest, cast("Mapping[str, Any]", values), roots)
        for name in dir(plugin):
            if name.startswith("keyun_") and not hasattr(getattr(plugin, name), "keyun_impl"):
                raise TypeError(f"{cls.__name__}.{name} looks like a hook but lacks @hookimpl")
        if cls.offers is not None:
            self._pm.add_hookspecs(cls.offers)
        self._pm.register(plugin, name=manifest.name)
        self.plugins[manifest.slot] = plugin

    def _unknown_hooks(self, plugin: Plugin) -> list[str]:
        callers = self._pm.get_hookcallers(plugin) or []
        return [
            caller.name
            for caller in callers
            if not caller.has_spec()
            and any(i.plugin is plugin and not i.optionalhook for i in caller.get_hookimpls())
        ]

    @property
    def hook(self) -> Any:
        """The raw relay, for hooks that plugins specify for each other."""
        return self._pm.hook

    def raise_faults(self) -> None:
        """Refuse to go on while an enabled plugin is faulted (``--strict``, ``enable``).

        :raises PluginError: with every problem.
        """
        if self.faults:
            raise PluginError([p for problems in self.faults.values() for p in problems])

    def settings(self, slot: str) -> Mapping[str, Any]:
        """The settings of the plugin that fills ``slot``.

        :raises PluginError: when none does, with the reasons.
        """
        plugin = self.plugins.get(slot)
        if plugin is not None:
            return plugin.settings
        fillers = [n for n, m in self.installation.manifests.items() if m.slot == slot]
        reasons = [p for n in fillers for p in self.faults.get(n, ())]
        raise PluginError(reasons or [f"{slot} is not enabled here; run `keyun plugins enable {slot}`"])

    def each(self, hook: str, **arguments: Any) -> list[tuple[Plugin, Any]]:
        """Call ``hook`` plugin by plugin in load order; returns (plugin, result) pairs."""
        return [(plugin, self._one(hook, plugin, arguments)) for plugin in self.plugins.values()]

    def _one(self, hook: str, plugin: Plugin, arguments: dict[str, Any]) -> Any:
        others = [p for p in self.plugins.values() if p is not plugin]
        results = self._pm.subset_hook_caller(hook, others)(**arguments)
        return results[0] if results else None

    def _collect(self, hook: str, **arguments: Any) -> list[Any]:
        return [x for _, result in self.each(hook, **arguments) for x in result or ()]

    def _guarded(self, hook: str, **arguments: Any) -> list[Any]:
        """Like ``_collect``, but a failing plugin is logged and left out."""
        out: list[Any] = []
        for plugin in self.plugins.values():
            try:
                out += list(self._one(hook, plugin, arguments) or ())
            except Exception:
                log.exception("plugin %s failed in %s", plugin.name, hook)
        return out

    # One typed method for each hook of the core ------------------------------------------------------

    def blueprints(self) -> list[tuple[Plugin, list[Blueprint]]]:
        """Page blueprints by plugin."""
        return [(p, list(r or ())) for p, r in self.each("keyun_blueprints")]

    def api(self) -> list[tuple[Plugin, list[ApiBlueprint]]]:
        """API blueprints by plugin."""
        return [(p, list(r or ())) for p, r in self.each("keyun_api")]

    def commands(self, plugin: Plugin) -> list[click.Command]:
        """The commands of one plugin."""
        return list(self._one("keyun_commands", plugin, {}) or ())

    def permissions(self) -> list[Permission]:
        """Every declared permission."""
        return self._collect("keyun_permissions")

    def content_types(self) -> list[ContentType]:
        """Every content type."""
        return self._collect("keyun_content_types")

    def importers(self) -> list[Importer]:
        """Everything that can be imported."""
        return self._collect("keyun_importers")

    def menu(self, actor: Actor) -> list[hookspecs.MenuItem]:
        """The menu entries for ``actor``, by weight."""
        items: list[hookspecs.MenuItem] = self._guarded("keyun_menu", actor=actor)
        return sorted(items, key=lambda i: (i.weight, i.endpoint))

    def fragments(self, place: str, context: Mapping[str, object]) -> list[hookspecs.Fragment]:
        """The pieces of a page for ``place``, by weight."""
        found: list[hookspecs.Fragment] = self._guarded("keyun_fragment", place=place, context=context)
        return sorted(found, key=lambda f: f.weight)

    def search_sources(self) -> list[SearchSource]:
        """What the site search covers."""
        return self._collect("keyun_search_sources")

    def jobs(self) -> list[Job]:
        """Every background job."""
        return self._collect("keyun_jobs")

    def screen(self, actor: Actor, draft: Draft) -> list[Verdict]:
        """The verdicts of all plugins on ``draft``; a plugin that fails holds it."""
        from keyun.content.types import Verdict

        verdicts: list[Verdict] = []
        for plugin in self.plugins.values():
            try:
                verdict = self._one("keyun_content_screen", plugin, {"actor": actor, "draft": draft})
            except Exception:
                log.exception("plugin %s failed in keyun_content_screen", plugin.name)
                verdict = Verdict.hold(f"{plugin.manifest.title}: 审核程序出错，转人工审核")
            if verdict is not None:
                verdicts.append(verdict)
        return verdicts

    def committed(self, event: Committed) -> None:
        """Tell every plugin about a committed event."""
        for plugin in self.plugins.values():
            try:
                self._one("keyun_committed", plugin, {"event": event})
            except Exception:
                log.exception("plugin %s failed in keyun_committed", plugin.name)

    def demo(self) -> list[hookspecs.DemoFile]:
        """Demonstration files in the order they load."""
        found: list[hookspecs.DemoFile] = self._collect("keyun_demo")
        return sorted(found, key=lambda f: f.weight)

    def checks(self) -> list[hookspecs.Check]:
        """What ``keyun doctor`` looks at."""
        return self._collect("keyun_checks")
