"""Call the hooks of plugins: one by one, the first that answers, inside wrappers, measured and guarded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import pluggy

from keyun import hookspecs
from keyun.plugins import deprecation
from keyun.plugins.base import Plugin
from keyun.plugins.budget import Budget
from keyun.plugins.declarations import listed
from keyun.plugins.wrapping import wrap

log = logging.getLogger(__name__)
#: What a stranger's code may raise without ending a process; Ctrl-C is not his.
FAILURES = (Exception, SystemExit)


class Caller:
    """Holds plugins and calls their hooks; what a hook means is known to the manager alone."""

    def __init__(self, budget: Budget) -> None:
        #: How long hooks take, and which are suspended.
        self.budget = budget
        self._pm = pluggy.PluginManager("keyun")
        self._pm.add_hookspecs(hookspecs)
        #: Loaded plugins by the slot they fill, in load order.
        self.plugins: dict[str, Plugin] = {}
        #: What of the plugin API a plugin uses although a later version removes it, by its name.
        self.deprecations: dict[str, tuple[str, ...]] = {}
        #: Answers of hooks that are called once, by hook and slot.
        self._kept: dict[str, dict[str, list[Any]]] = {}

    def start_over(self) -> None:
        """Forget every plugin."""
        self._pm = pluggy.PluginManager("keyun")
        self._pm.add_hookspecs(hookspecs)
        self.plugins, self._kept, self.deprecations = {}, {}, {}

    def admit(self, plugin: Plugin) -> None:
        """Register ``plugin`` and the hooks it offers to others."""
        with deprecation.noted() as notices:
            if plugin.offers is not None:
                self._pm.add_hookspecs(plugin.offers)
            self._pm.register(plugin, name=plugin.name)
        self.plugins[plugin.slot] = plugin
        self.deprecations[plugin.name] = tuple(dict.fromkeys(notices))
        for notice in self.deprecations[plugin.name]:
            log.warning("plugin %s: %s", plugin.name, notice)

    def ask(self, hook: str, plugin: Plugin) -> object:
        """What ``plugin`` answers to a hook that is called once."""
        return self._one(hook, plugin, {})

    def keep(self, hook: str, plugin: Plugin, answer: list[Any]) -> None:
        """Keep the checked ``answer``, so that the hook is not called again."""
        self._kept.setdefault(hook, {})[plugin.slot] = answer

    def kept(self, hook: str, plugin: Plugin) -> list[Any]:
        """What ``plugin`` answered to ``hook`` when it was loaded."""
        return self._kept.get(hook, {}).get(plugin.slot, [])

    def hook_callers(self, plugin: Plugin) -> list[pluggy.HookCaller]:
        """The hooks that ``plugin`` implements."""
        return self._pm.get_hookcallers(plugin) or []

    def hook_names(self) -> list[str]:
        """Every hook that somebody specifies."""
        return sorted(n for n, c in vars(self._pm.hook).items() if n.startswith("keyun_") and c.has_spec())

    def add_core(self, core: object) -> None:
        """Register the core's own implementations; they answer when no plugin does."""
        self._pm.register(core, name="core")

    @property
    def hook(self) -> Any:
        """The raw relay, for hooks that plugins specify for each other."""
        return self._pm.hook

    def each(self, hook: str, **arguments: Any) -> list[tuple[Plugin, Any]]:
        """Call ``hook`` plugin by plugin in load order; returns (plugin, result) pairs."""
        if hook in self._kept:
            return [(plugin, self.kept(hook, plugin)) for plugin in self.plugins.values()]
        return [(plugin, self._one(hook, plugin, arguments)) for plugin in self.plugins.values()]

    def _one(self, hook: str, plugin: object, arguments: Mapping[str, Any]) -> Any:
        """What ``plugin`` itself answers, without wrappers; None when it does not implement the hook."""
        for impl in getattr(self._pm.hook, hook).get_hookimpls():
            if impl.plugin is plugin and not impl.wrapper:
                return impl.function(*(arguments[name] for name in impl.argnames))
        return None

    def asked(self) -> dict[str, tuple[bool, tuple[str, ...]]]:
        """By hook, whether the first answer counts, and who answers in the order of asking."""
        found: dict[str, tuple[bool, tuple[str, ...]]] = {}
        for hook in sorted(n for n in vars(self._pm.hook) if n.startswith("keyun_")):
            caller = getattr(self._pm.hook, hook)
            first = bool(caller.spec and caller.spec.opts["firstresult"])
            names = [self._pm.get_name(p) or "?" for p in self._answerers(hook)]
            if names:
                # Where everybody is asked, the core comes last as well.
                found[hook] = (first, tuple(names if first else sorted(reversed(names), key="core".__eq__)))
        return found

    def _answerers(self, hook: str) -> list[Any]:
        """Who answers ``hook``, in the order of asking: the last loaded first, the core at last."""
        impls = getattr(self._pm.hook, hook).get_hookimpls()
        return [i.plugin for i in reversed(impls) if not i.wrapper]

    def _first(self, hook: str, **arguments: Any) -> Any:
        """The first answer that is not None, inside the wrappers of ``hook``; any failure is the caller's."""

        def ask() -> Any:
            answers = (self._one(hook, plugin, arguments) for plugin in self._answerers(hook))
            return next((a for a in answers if a is not None), None)

        return self._around(hook, arguments, ask)

    def _around(
        self, hook: str, arguments: Mapping[str, Any], ask: Callable[[], Any], *, kind: type | None = None
    ) -> Any:
        """Call ``ask`` inside the wrappers of every plugin, the last loaded outermost.

        With ``kind`` a wrapper that fails, or returns something else, is logged and left out; otherwise
        its failure is the caller's.
        """
        left_out = self.budget.left_out(hook)
        for impl in getattr(self._pm.hook, hook).get_hookimpls():
            if impl.wrapper and getattr(impl.plugin, "name", "") not in left_out:
                ask = (
                    partial(self._unless_broken, impl, arguments, ask, kind)
                    if kind
                    else partial(wrap, impl, arguments, ask)
                )
        return ask()

    def _unless_broken(
        self, impl: Any, arguments: Mapping[str, Any], ask: Callable[[], Any], kind: type
    ) -> list[Any]:
        answers: list[list[Any]] = []
        hook = impl.function.__name__

        def once() -> list[Any]:
            if not answers:
                with self.budget.elsewhere(watch):
                    answers.append(ask())
            return list(answers[0])

        try:
            with self.budget.measured(impl.plugin.name, hook) as watch:
                return listed(wrap(impl, arguments, once), kind)
        except FAILURES:
            log.exception("plugin %s failed around %s; left out", impl.plugin.name, hook)
            return once()

    def _collect(self, hook: str, **arguments: Any) -> list[Any]:
        return [x for _, result in self.each(hook, **arguments) for x in result or ()]

    def _guarded(
        self, hook: str, kind: type = object, *, only: Collection[str] = (), **arguments: Any
    ) -> list[Any]:
        """What every plugin answers (or those in the slots ``only``), measured.

        One that fails is logged, one that is suspended is not asked.
        """
        out: list[Any] = []
        left_out, answerers = self.budget.left_out(hook), self._answerers(hook)
        for plugin in self.plugins.values():
            if plugin.name in left_out or plugin not in answerers or (only and plugin.slot not in only):
                continue
            try:
                with self.budget.measured(plugin.name, hook):
                    out += listed(self._one(hook, plugin, arguments), kind)
            except FAILURES:
                log.exception("plugin %s failed in %s", plugin.name, hook)
        return out
