"""Load plugins in order and call their hooks. ``Any`` never leaves this module."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from keyun import hookspecs
from keyun.errors import Forbidden, KeyunError, PluginError
from keyun.logs import without_text
from keyun.plugins.base import Plugin
from keyun.plugins.budget import Budget
from keyun.plugins.calling import FAILURES, Caller
from keyun.plugins.declarations import listed
from keyun.plugins.loading import Loader
from keyun.plugins.manifest import Installation as Installation
from keyun.plugins.mapping import describe
from keyun.plugins.order import plan

if TYPE_CHECKING:
    import click
    from flask import Blueprint
    from flask_smorest import Blueprint as ApiBlueprint

    from keyun.access import Actor, Permission
    from keyun.accounts.models import User
    from keyun.accounts.personal import Export
    from keyun.content.fields import ContentField
    from keyun.content.opening import Opening
    from keyun.content.types import ContentType, Draft, ReviewCheck, Verdict
    from keyun.events.models import Committed
    from keyun.exchange.types import Exporter, Importer
    from keyun.jobs import Job
    from keyun.messages.message import Message
    from keyun.search.port import SearchBackend, SearchSource
    from keyun.site import Site
    from keyun.uow import UnitOfWork

log = logging.getLogger(__name__)


class PluginManager(Caller):
    """The plugins of one application, and one typed method for each hook."""

    def __init__(self, installation: Installation, budget: Budget | None = None) -> None:
        super().__init__(budget or Budget())
        self.installation = installation
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
        budget: Budget | None = None,
    ) -> PluginManager:
        """Load the ``enabled`` plugins; those with a problem stay out and stand in ``faults``.

        ``pending`` are plugins whose tables are not up to date; they stay out as well.
        """
        self = cls(installation or Installation.scan(), budget)
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
            fault = Loader(self, settings or {}).load_all(chosen.order)
            if fault is None:
                self.faults = dict(chosen.problems)
                return self
            faults[fault[0]] = f"{fault[0]}: {fault[1]}; repair it or run `keyun plugins disable {fault[0]}`"

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

    def suspended(self) -> dict[str, list[str]]:
        """The hooks that are left out because they were too slow, by plugin."""
        return self.budget.suspended()

    # One typed method for each hook of the core ------------------------------------------------------

    def blueprints(self) -> list[tuple[Plugin, list[Blueprint]]]:
        """Page blueprints by plugin."""
        return self.each("keyun_blueprints")

    def api(self) -> list[tuple[Plugin, list[ApiBlueprint]]]:
        """API blueprints by plugin."""
        return self.each("keyun_api")

    def commands(self, plugin: Plugin) -> list[click.Command]:
        """The commands of one plugin.

        :raises PluginError: when it cannot say.
        """
        import click

        try:
            return listed(self._one("keyun_commands", plugin, {}), click.Command)
        except FAILURES as e:
            log.exception("plugin %s failed in keyun_commands", plugin.name)
            raise PluginError([f"{plugin.name}: keyun_commands failed with {describe(e)}"]) from e

    def permissions(self) -> list[Permission]:
        """Every declared permission."""
        return self._collect("keyun_permissions")

    def content_types(self) -> list[ContentType]:
        """Every content type."""
        return self._collect("keyun_content_types")

    def content_fields(self) -> list[ContentField]:
        """Every field that a plugin adds to a content type, named with the slot that declares it."""
        declared = self.each("keyun_content_fields")
        return [replace(f, slot=p.slot) for p, found in declared for f in found or ()]

    def importers(self) -> list[Importer]:
        """Everything that can be imported."""
        return self._collect("keyun_importers")

    def exporters(self) -> list[Exporter]:
        """Everything that can be exported."""
        return self._collect("keyun_exporters")

    def menu(self, actor: Actor) -> list[hookspecs.MenuItem]:
        """The menu entries for ``actor``, by weight."""
        kind, arguments = hookspecs.MenuItem, {"actor": actor}
        ask = partial(self._guarded, "keyun_menu", kind, actor=actor)
        items: list[hookspecs.MenuItem] = self._around("keyun_menu", arguments, ask, kind=kind)
        return sorted(items, key=lambda i: (i.weight, i.endpoint))

    def fragments(
        self, place: str, context: Mapping[str, object], only: Collection[str] = ()
    ) -> list[hookspecs.Fragment]:
        """The pieces of a page for ``place``, by weight; with ``only``, of the plugins in these slots."""
        kind, arguments = hookspecs.Fragment, {"place": place, "context": context}
        ask = partial(self._guarded, "keyun_fragment", kind, only=only, **arguments)
        found: list[hookspecs.Fragment] = self._around("keyun_fragment", arguments, ask, kind=kind)
        return sorted(found, key=lambda f: f.weight)

    def derived(self) -> list[hookspecs.Derived]:
        """What plugins derive from the database and keep outside it."""
        return self._guarded("keyun_derived", hookspecs.Derived)

    def search_sources(self) -> list[SearchSource]:
        """What the site search covers."""
        return self._collect("keyun_search_sources")

    def jobs(self) -> list[Job]:
        """Every background job."""
        return self._collect("keyun_jobs")

    def screen(self, actor: Actor, draft: Draft) -> list[Verdict]:
        """The verdicts of all plugins on ``draft``; a plugin that fails, or is faulted, holds it."""
        from keyun.content.types import Verdict

        arguments = {"actor": actor, "draft": draft}
        out = [m for n in self.faults if (m := self.installation.manifests.get(n)) and m.screens]
        absent = [Verdict.hold(f"{m.title}: 审核程序未能加载，转人工审核") for m in out]

        def ask() -> list[Verdict]:
            verdicts = list(absent)
            for plugin in self.plugins.values():
                try:
                    with self.budget.measured(plugin.name, "keyun_content_screen"):
                        verdict = self._one("keyun_content_screen", plugin, arguments)
                    verdicts += listed([] if verdict is None else [verdict], Verdict)
                except FAILURES:
                    log.exception("plugin %s failed in keyun_content_screen", plugin.name)
                    verdicts.append(Verdict.hold(f"{plugin.manifest.title}: 审核程序出错，转人工审核"))
            return verdicts

        try:
            return listed(self._around("keyun_content_screen", arguments, ask), Verdict)
        except FAILURES:
            log.exception("a wrapper of keyun_content_screen failed")
            return [*ask(), Verdict.hold("审核程序出错，转人工审核")]

    def review_checks(self, draft: Draft) -> list[ReviewCheck]:
        """What machines find in ``draft``; a failing plugin is a warning itself, the core comes first."""
        from keyun.content.types import ReviewCheck

        arguments, found = {"draft": draft}, list[ReviewCheck]()
        for plugin in reversed(self._answerers("keyun_review_checks")):
            name = getattr(plugin, "name", "core")
            try:
                with self.budget.measured(name, "keyun_review_checks"):
                    found += listed(self._one("keyun_review_checks", plugin, arguments), ReviewCheck)
            except FAILURES:
                log.exception("plugin %s failed in keyun_review_checks", name)
                text = "检查程序出错，请人工检查。 (This check failed; look yourself.)"
                found.append(ReviewCheck.warned(name, text))
        return found

    def search_backend(self, site: Site) -> SearchBackend:
        """The search engine of this site: a plugin's, else the core's. Its failure is the caller's."""
        found: SearchBackend = self._first("keyun_search_backend", site=site)
        return found

    def authenticate(self, identifier: str, secret: str) -> User | None:
        """Whoever proves to be ``identifier``; a plugin that fails is left out and lets nobody in.

        :raises Forbidden: when a plugin refuses, or a wrapper fails.
        """
        from keyun.accounts.models import User

        arguments = {"identifier": identifier, "secret": secret}

        def ask() -> User | None:
            for plugin in self._answerers("keyun_authenticate"):
                try:
                    with self.budget.measured(getattr(plugin, "name", "core"), "keyun_authenticate"):
                        user: User | None = self._one("keyun_authenticate", plugin, arguments)
                    listed([] if user is None else [user], User)
                except Forbidden:
                    raise
                except FAILURES as e:
                    if not isinstance(plugin, Plugin):
                        raise
                    _complain_quietly(plugin.name, "keyun_authenticate", e)
                    continue
                if user is not None:
                    return user
            return None

        try:
            found: User | None = self._around("keyun_authenticate", arguments, ask)
            return found
        except KeyunError:
            raise
        except FAILURES as e:
            # A wrapper is a further condition: when it cannot tell, the answer is no.
            impls = self._pm.hook.keyun_authenticate.get_hookimpls()
            names = " or ".join(self._pm.get_name(i.plugin) or "?" for i in impls if i.wrapper)
            _complain_quietly(names, "its wrapper of keyun_authenticate", e)
            raise Forbidden("the log-in cannot be checked") from None

    def message_channels(self) -> set[str]:
        """The ways of sending that somebody serves, such as ``mail``."""
        return {c for p in self._answerers("keyun_message_channels") for c in self._channels(p)}

    def _channels(self, plugin: object) -> list[str]:
        try:
            return listed(self._one("keyun_message_channels", plugin, {}), str)
        except FAILURES:
            log.exception("plugin %s failed in keyun_message_channels", self._pm.get_name(plugin))
            return []

    def message_send(self, message: Message) -> bool:
        """Hand ``message`` over to whoever takes it; False when nobody does. A failure is the caller's."""
        return bool(self._first("keyun_message_send", message=message))

    def export_user(self, unit: UnitOfWork, user_id: int) -> list[Export]:
        """Everything about one person, the core's own rows last. A failure is the caller's."""
        arguments = {"unit": unit, "user_id": user_id}
        answers = [self._one("keyun_export_user", p, arguments) for p in self._answerers("keyun_export_user")]
        return [export for answer in answers for export in answer or ()]

    def erase_user(self, unit: UnitOfWork, user_id: int) -> None:
        """Let every plugin, and the core at last, forget one person. A failure undoes everything."""
        for plugin in self._answerers("keyun_erase_user"):
            self._one("keyun_erase_user", plugin, {"unit": unit, "user_id": user_id})

    def committed(self, event: Committed) -> None:
        """Tell every plugin about a committed event."""
        for plugin in self.plugins.values():
            try:
                with self.budget.measured(plugin.name, "keyun_committed"):
                    self._one("keyun_committed", plugin, {"event": event})
            except FAILURES:
                log.exception("plugin %s failed in keyun_committed", plugin.name)

    def hear_of_openings(self) -> bool:
        """Whether any plugin wants to know what is opened."""
        return bool(self._answerers("keyun_content_opened"))

    def content_opened(self, opening: Opening) -> None:
        """Tell every plugin that an item was opened."""
        for plugin in self.plugins.values():
            try:
                with self.budget.measured(plugin.name, "keyun_content_opened"):
                    self._one("keyun_content_opened", plugin, {"opening": opening})
            except FAILURES:
                log.exception("plugin %s failed in keyun_content_opened", plugin.name)

    def demo(self) -> list[hookspecs.DemoFile]:
        """Demonstration files in the order they load."""
        found: list[hookspecs.DemoFile] = self._guarded("keyun_demo", hookspecs.DemoFile)
        return sorted(found, key=lambda f: f.weight)

    def checks(self) -> list[hookspecs.Check]:
        """What ``keyun doctor`` looks at; a plugin that cannot say is itself a problem."""
        found: list[hookspecs.Check] = []
        for plugin in self.plugins.values():
            try:
                found += listed(self._one("keyun_checks", plugin, {}), hookspecs.Check)
            except FAILURES as e:
                log.exception("plugin %s failed in keyun_checks", plugin.name)
                problem = f"{plugin.name}: keyun_checks failed with {describe(e)}"
                found.append(hookspecs.Check(f"checks of {plugin.name}", partial(list, [problem])))
        return found


def _complain_quietly(name: str, hook: str, error: BaseException) -> None:
    """Log a failure without the text of the error: it may hold what was typed."""
    log.error("plugin %s failed in %s: %s", name, hook, without_text(error))
