"""Manifest, distribution, and what happens when the plugin is imported and loaded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from keyun.app import create_app
from keyun.hookspecs import API_VERSION
from keyun.plugins.order import plan
from keyun.site import Site
from keyun.testing.contract.report import Problem
from keyun.testing.contract.sources import has_chinese
from keyun.testing.contract.subject import Subject


def manifest_titles(s: Subject) -> Iterator[Problem]:
    """The manifest has a Chinese title and an English one."""
    if not has_chinese(s.manifest.title):
        yield Problem("plugin.toml", "title has no Chinese text", 'add title = "中文名"')
    if not s.manifest.title_en or has_chinese(s.manifest.title_en):
        yield Problem("plugin.toml", "title_en is missing or not English", 'add title_en = "English name"')


def manifest_summary(s: Subject) -> Iterator[Problem]:
    """The manifest has a summary of one sentence."""
    if not 5 <= len(s.manifest.summary) <= 200:
        yield Problem("plugin.toml", "summary is missing or longer than 200 characters", 'add summary = "…"')


def manifest_api_range(s: Subject) -> Iterator[Problem]:
    """The range of plugin API versions holds this one and ends before the next major version."""
    if not s.manifest.api.contains(API_VERSION, prereleases=True):
        yield Problem(
            "plugin.toml", f"api {s.manifest.api} leaves out {API_VERSION}", "test it here and widen api"
        )
    if s.manifest.api.contains(f"{int(API_VERSION.partition('.')[0]) + 1}.0"):
        yield Problem(
            "plugin.toml",
            f"api {s.manifest.api} holds the next major version too",
            f'write api = ">={API_VERSION},<{int(API_VERSION.partition(".")[0]) + 1}"',
        )


def manifest_plan(s: Subject) -> Iterator[Problem]:
    """What the manifest requires is installed, and nothing waits in a circle."""
    names = [n for n, m in s.installation.manifests.items() if m.name in {r.name for r in s.required}]
    helpers = [n for n in names if n != s.manifest.extends]
    chosen = plan([*helpers, s.name], s.installation.manifests, API_VERSION, s.installation.problems)
    for problem in chosen.problems.get(s.name, ()):
        if s.manifest.requires and s.name in problem:
            yield Problem("plugin.toml", problem, "install what it requires, or correct requires")
    for need in s.manifest.requires:
        if not any(need == m.slot for m in s.installation.manifests.values()):
            yield Problem("plugin.toml", f"requires {need}, which nothing installed serves", "pip install it")


def manifest_modules(s: Subject) -> Iterator[Problem]:
    """The modules that the manifest names are installed, so that the rest can be judged."""
    for module in s.manifest.missing_modules():
        yield Problem("plugin.toml", f"the module {module} is not here", "pip install it and check again")


def package_name(s: Subject) -> Iterator[Problem]:
    """The package is called keyun_<name>."""
    if s.package != f"keyun_{s.name}":
        yield Problem(
            s.manifest.entry_point.value, f"the package is {s.package}", f"rename it to keyun_{s.name}"
        )


def package_typed(s: Subject) -> Iterator[Problem]:
    """The package ships py.typed, so that others can check their use of it."""
    if not (s.root / "py.typed").is_file():
        yield Problem(s.package, "there is no py.typed", "add an empty file and list it in package-data")


def distribution_metadata(s: Subject) -> Iterator[Problem]:
    """The distribution has a version and a licence and says that it depends on Keyun."""
    dist = s.manifest.entry_point.dist
    if dist is None:
        yield Problem(s.package, "no distribution owns it", "install it with pip")
        return
    if not ({"License-Expression", "License"} & set(dist.metadata)):
        yield Problem("pyproject.toml", "no licence is named", 'add license = "Apache-2.0" to [project]')
    needs = [r.partition(";")[0].lower() for r in dist.requires or ()]
    if dist.name.lower() != "keyun" and not any(n.startswith("keyun") for n in needs):
        yield Problem("pyproject.toml", "it does not depend on keyun", 'add dependencies = ["keyun"]')


def import_works(s: Subject) -> Iterator[Problem]:
    """The module of the entry point can be imported."""
    if s.watch.error:
        yield Problem(
            s.manifest.entry_point.module, s.watch.error, "correct the code or install what it needs"
        )


def import_is_silent(s: Subject) -> Iterator[Problem]:
    """Importing prints nothing."""
    if s.watch.printed:
        yield Problem(s.package, f"it prints {s.watch.printed!r}", "use logging inside functions")


def import_starts_nothing(s: Subject) -> Iterator[Problem]:
    """Importing starts no thread."""
    for name in s.watch.threads:
        yield Problem(s.package, f"it starts the thread {name}", "work belongs in a job (keyun_jobs)")


def import_touches_nothing(s: Subject) -> Iterator[Problem]:
    """Importing opens no connection, starts no program and writes no file."""
    for deed in dict.fromkeys(s.watch.deeds):
        yield Problem(
            s.package, f"while it is imported: {deed}", "do it in a function that is called when needed"
        )


def plugin_loads(s: Subject) -> Iterator[Problem]:
    """A site with the plugin opens, and its pages and its API are built."""
    for fault in s.faults:
        yield Problem(s.name, fault, "correct what the text names")


def plugin_loads_again(s: Subject) -> Iterator[Problem]:
    """A second application in the same process has the same pages as the first."""
    again = create_app(Site.open(s.site.runtime, installation=s.installation))
    if (first := set(s.app.view_functions)) != (second := set(again.view_functions)):
        odd = ", ".join(sorted(first ^ second))
        yield Problem(
            s.package, f"the second application differs in {odd}", "keep state on self, not in modules"
        )


def no_deprecated_use(s: Subject) -> Iterator[Problem]:
    """It uses nothing that a later version of the plugin API removes."""
    for notice in s.site.plugins.deprecations.get(s.name, ()):
        yield Problem(s.package, notice, "use what the text names")


def extras_are_declared(s: Subject) -> Iterator[Problem]:
    """A plugin that names an extra says which modules it brings."""
    if s.manifest.extra and not s.manifest.modules:
        yield Problem(
            "plugin.toml", f"extra {s.manifest.extra} without modules", "name the modules it brings"
        )
    for module in s.manifest.modules:
        if "." not in module and find_spec(module) is None:
            continue
        if module.partition(".")[0] == s.package:
            yield Problem("plugin.toml", f"modules names its own {module}", "name only foreign modules")


STATIC = (
    manifest_titles, manifest_summary, manifest_api_range, manifest_plan, manifest_modules,
    extras_are_declared, package_name, package_typed, distribution_metadata,
    import_works, import_is_silent, import_starts_nothing, import_touches_nothing, plugin_loads,
)  # fmt: skip
LIVE = (plugin_loads_again, no_deprecated_use)
