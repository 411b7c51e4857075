"""Names of what the plugin declares: in its namespace, and fit for use."""

from __future__ import annotations

import fnmatch
import inspect
import re
import tomllib
from collections.abc import Iterator

from keyun.hookspecs import API_VERSION
from keyun.testing.contract.report import Problem
from keyun.testing.contract.sources import constants, has_chinese, recorded
from keyun.testing.contract.subject import Subject

PART = r"[a-z][a-z0-9_-]*"
#: Events of the core that a plugin may record about its own content.
SHARED_EVENTS = "content.*"
#: Manifest keys that plugin API 1.0 does not know.
NEWER_KEYS = frozenset({"files", "screens"})


def permissions_in_namespace(s: Subject) -> Iterator[Problem]:
    """Permissions are named <slot>.<object>.<verb>."""
    for p in s.ask("keyun_permissions"):
        if not re.fullmatch(rf"{s.slot}\.{PART}\.{PART}", p.name):
            yield Problem("keyun_permissions", f"{p.name} is not {s.slot}.<object>.<verb>", "rename it")


def permissions_titled(s: Subject) -> Iterator[Problem]:
    """Every permission has a Chinese and an English title."""
    for p in s.ask("keyun_permissions"):
        if not has_chinese(p.title) or not p.title_en or has_chinese(p.title_en):
            yield Problem("keyun_permissions", f"{p.name}: {p.title!r}, {p.title_en!r}", "give both titles")


def types_in_namespace(s: Subject) -> Iterator[Problem]:
    """Content types are named <slot>.<type>, like the polymorphic identity of their model."""
    for kind in s.ask("keyun_content_types"):
        if not re.fullmatch(rf"{s.slot}\.{PART}", kind.name):
            yield Problem("keyun_content_types", f"{kind.name} is not {s.slot}.<type>", "rename it")
        identity = kind.model.__mapper__.polymorphic_identity
        if identity != kind.name:
            yield Problem(
                kind.model.__name__, f"its polymorphic identity is {identity!r}", f"write {kind.name!r}"
            )


def types_complete(s: Subject) -> Iterator[Problem]:
    """Every content type has its four permissions and titles in both languages."""
    known = s.site.access.permissions
    for kind in s.ask("keyun_content_types"):
        missing = [v for v in ("create", "edit", "publish", "withdraw") if f"{kind.name}.{v}" not in known]
        if missing:
            yield Problem(kind.name, f"no permission {', '.join(missing)}", "declare kind.permissions()")
        if not has_chinese(kind.title) or not kind.title_en:
            yield Problem(kind.name, f"titles {kind.title!r}, {kind.title_en!r}", "give both")


def jobs_in_namespace(s: Subject) -> Iterator[Problem]:
    """Jobs are named <slot>.<job>."""
    for job in s.ask("keyun_jobs"):
        if not re.fullmatch(rf"{s.slot}(\.{PART})+", job.name):
            yield Problem("keyun_jobs", f"{job.name} is not {s.slot}.<job>", "rename it")


def jobs_can_be_called(s: Subject) -> Iterator[Problem]:
    """A job takes the site; one that repeats needs nothing else."""
    for job in s.ask("keyun_jobs"):
        parameters = list(inspect.signature(job.run).parameters.values())
        needed = [
            p
            for p in parameters[1:]
            if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        if not parameters:
            yield Problem(job.name, "its function takes no site", "def run(site: Site) -> None")
        elif job.every is not None and needed:
            yield Problem(job.name, f"it repeats but needs {needed[0].name}", "give the argument a default")


def importers_complete(s: Subject) -> Iterator[Problem]:
    """Importers have their key among the columns, a declared permission, and labelled columns."""
    for one in s.ask("keyun_importers"):
        columns = one.schema().fields
        if one.key not in columns:
            yield Problem(one.name, f"the key {one.key} is no column", "add it to the schema")
        if one.permission not in s.site.access.permissions:
            yield Problem(one.name, f"the permission {one.permission} is unknown", "declare it")
        bare = [n for n, f in columns.items() if not f.metadata.get("label")]
        if bare:
            yield Problem(one.name, f"no label for {', '.join(bare)}", 'add metadata={"label": "名称"}')


def commands_described(s: Subject) -> Iterator[Problem]:
    """Every command has a help text."""
    for command in s.ask("keyun_commands"):
        if not (command.help or "").strip():
            yield Problem(f"keyun {s.manifest.group} {command.name}", "no help text", "write its docstring")


def settings_named(s: Subject) -> Iterator[Problem]:
    """Settings are lower-case words with underscores."""
    for name in s.plugin.settings_schema().fields:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or "__" in name:
            yield Problem(f"[plugin.{s.slot}] {name}", "no environment variable can name it", "rename it")


def hooks_offered_in_namespace(s: Subject) -> Iterator[Problem]:
    """Hooks for other plugins are named keyun_<plugin>_* and say their contract."""
    offered = vars(s.plugin.offers) if s.plugin.offers is not None else {}
    for name, spec in offered.items():
        if not callable(spec) or not hasattr(spec, "keyun_spec"):
            continue
        if not name.startswith(f"keyun_{s.name}_"):
            yield Problem("offers", f"{name} does not begin with keyun_{s.name}_", "rename it")
        if len((spec.__doc__ or "").strip()) < 40:
            yield Problem("offers", f"{name} has no contract", "say when it is called, with what, for what")


def events_declared(s: Subject) -> Iterator[Problem]:
    """Every recorded event is named in Plugin.events with one sentence, and none besides."""
    names, written = dict(type(s.plugin).events), constants(s.modules)
    patterns = [(p, s.here(path, line)) for path, tree in s.modules.items() for p, line in recorded(tree)]
    for pattern, where in patterns:
        if not fnmatch.filter(names, pattern) and not fnmatch.fnmatch(pattern, SHARED_EVENTS):
            yield Problem(where, f"{pattern} is not declared", "add it to events of the plugin class")
    for name, text in names.items():
        if name not in written and not any(fnmatch.fnmatch(name, p) for p, _ in patterns):
            yield Problem("events", f"{name} is recorded nowhere", "remove it")
        if not text.strip():
            yield Problem("events", f"{name} has no description", "say when it is recorded")


def versions_are_told(s: Subject) -> Iterator[Problem]:
    """Hooks and manifest keys it uses are no newer than the lower end of its API range."""
    from keyun import hookspecs
    from keyun.plugins.deprecation import since

    table = tomllib.loads((s.root / "plugin.toml").read_text(encoding="utf-8"))["plugin"]
    used = {key: "1.1" for key in table.keys() & NEWER_KEYS}
    for name in dir(s.plugin):
        spec = getattr(hookspecs, name, None) if name.startswith("keyun_") else None
        if spec is not None and (added := since(spec)):
            used[name] = added
    for name, added in used.items():
        if s.manifest.api.contains("1.0"):
            told = f"{name} came with plugin API {added}, but api is {s.manifest.api}"
            yield Problem("plugin.toml", told, f'write api = ">={API_VERSION},<2"')


LIVE = (
    permissions_in_namespace, permissions_titled, types_in_namespace, types_complete, jobs_in_namespace,
    jobs_can_be_called, importers_complete, commands_described, settings_named,
    hooks_offered_in_namespace, events_declared, versions_are_told,
)  # fmt: skip
