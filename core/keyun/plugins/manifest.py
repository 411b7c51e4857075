"""``plugin.toml``: what can be known about a plugin without importing it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

GROUP = "keyun.plugins"
NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
#: Names of the core's own pages and paths, among others: a slot is both.
RESERVED = frozenset(
    {"core", "keyun", "alembic", "site", "api", "static", "admin", "account", "appearance", "files",
     "healthz", "home", "lang", "leaving", "login", "logout", "password", "readyz", "register", "review",
     "search", "subsites"}
)  # fmt: skip
FOLDER = re.compile(r"[a-z][a-z0-9_-]{1,60}")
#: What lies below the instance and belongs to no plugin.
KEPT = frozenset(
    {"run", "search", "templates", "static", "files", "purged", "backup", "backups", "keyun", "plugins"}
)
TEXT = frozenset({"name", "title", "title_en", "summary", "api", "replaces", "extends", "command", "extra"})
LISTS = frozenset({"requires", "after", "modules", "files"})
FLAGS = frozenset({"default", "screens"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """The static description of one installed plugin."""

    name: str
    title: str
    api: SpecifierSet
    root: Path
    entry_point: EntryPoint
    version: str = ""
    title_en: str = ""
    summary: str = ""
    requires: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    replaces: str | None = None
    extends: str | None = None
    command: str = ""
    extra: str = ""
    modules: tuple[str, ...] = ()
    #: Folders below the instance that hold what it derives; `keyun plugins purge` removes them.
    files: tuple[str, ...] = ()
    default: bool = True
    #: Whether texts wait for a reviewer while this plugin cannot be loaded, because it screens them.
    screens: bool = False

    @property
    def slot(self) -> str:
        """The place this plugin fills: URL prefix, endpoints, permissions, settings."""
        return self.extends or self.replaces or self.name

    @property
    def group(self) -> str:
        """The name of its command group: ``keyun <group> …``."""
        return self.command or self.slot

    @property
    def migrations(self) -> Path:
        """The folder of its migration files; it need not exist."""
        return self.root / "migrations" / "versions"

    def missing_modules(self) -> list[str]:
        """The modules its extra would bring and that are not installed (nothing is imported)."""
        return [m for m in self.modules if find_spec(m) is None]


def package_dir(package: str) -> Path:
    """Return the folder of the top-level ``package`` without running any of its code."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"package {package!r} is not importable; reinstall the plugin with pip")
    return Path(next(iter(spec.submodule_search_locations)))


def root_of(entry_point: EntryPoint) -> Path:
    """Return the folder of the package that ``entry_point`` leads to.

    :raises ValueError: when it leads nowhere.
    """
    if not entry_point.pattern.match(entry_point.value):
        raise ValueError(
            f"{entry_point.name}: the entry point {entry_point.value!r} is no 'package.module:Class'"
        )
    return package_dir(entry_point.module.partition(".")[0])


def read(entry_point: EntryPoint) -> Manifest:
    """Read the manifest beside one ``keyun.plugins`` entry point.

    :raises ValueError: naming the file, the key and what belongs there.
    """
    root = root_of(entry_point)
    path = root / "plugin.toml"
    if not path.is_file():
        raise ValueError(f"{entry_point.name}: {path} is missing; every plugin ships a plugin.toml")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ValueError(f"{path}: {e}") from None
    return parse(data, path, entry_point)


def parse(data: dict[str, Any], path: Path, entry_point: EntryPoint) -> Manifest:
    """Turn the parsed TOML into a manifest; every unknown or ill-typed key is an error."""
    table = data.get("plugin")
    if set(data) != {"plugin"} or not isinstance(table, dict):
        raise ValueError(f"{path}: expected exactly one table [plugin]")
    if unknown := set(table) - TEXT - LISTS - FLAGS:
        raise ValueError(f"{path}: unknown key(s) {', '.join(sorted(unknown))}")
    for key, value in table.items():
        _check_kind(path, key, value)
    name = table.get("name")
    if name != entry_point.name:
        raise ValueError(f"{path}: name is {name!r} but the entry point is {entry_point.name!r}")
    if not NAME.fullmatch(entry_point.name) or entry_point.name in RESERVED:
        raise ValueError(f"{path}: name {name!r} must match {NAME.pattern} and not be reserved")
    try:
        api = SpecifierSet(table.pop("api"))
    except (InvalidSpecifier, KeyError) as e:
        raise ValueError(f"{path}: api must be a version range such as '>=1.0,<2' ({e})") from None
    if wrong := [f for f in table.get("files", ()) if not FOLDER.fullmatch(f) or f in KEPT]:
        raise ValueError(f"{path}: files must name folders of its own below the instance, not {wrong[0]!r}")
    if table.get("replaces") and table.get("extends"):
        raise ValueError(f"{path}: replaces and extends exclude each other")
    values: dict[str, Any] = {k: tuple(v) if k in LISTS else v for k, v in table.items()}
    values.setdefault("title", entry_point.name)
    version = entry_point.dist.version if entry_point.dist else ""
    return Manifest(api=api, root=path.parent, entry_point=entry_point, version=version, **values)


def _check_kind(path: Path, key: str, value: object) -> None:
    good = (
        isinstance(value, bool)
        if key in FLAGS
        else isinstance(value, str)
        if key in TEXT
        else isinstance(value, list) and all(isinstance(v, str) for v in value)
    )
    if not good:
        want = "true or false" if key in FLAGS else "a text" if key in TEXT else "a list of texts"
        raise ValueError(f"{path}: {key} must be {want}")


@dataclass(frozen=True, slots=True)
class Installation:
    """What is installed: readable manifests, and what is wrong with the others, by name."""

    manifests: Mapping[str, Manifest]
    problems: Mapping[str, str]

    @classmethod
    def scan(cls) -> Installation:
        """Look at every installed distribution; nothing is imported."""
        return cls(*installed())


def installed() -> tuple[dict[str, Manifest], dict[str, str]]:
    """Return every readable manifest by name, and for the others what is wrong, by name."""
    found: dict[str, Manifest] = {}
    problems: dict[str, str] = {}
    for entry_point in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
        name = entry_point.name
        if name in found or name in problems:
            found.pop(name, None)
            problems[name] = f"{name}: two installed distributions provide it; pip uninstall one"
            continue
        try:
            found[name] = read(entry_point)
        except ValueError as e:
            problems[name] = str(e)
    for name in sorted(found):
        for other in sorted(found):
            if other != name and name.startswith(f"{other}_"):
                problems[name] = f"{name}: its tables would look like those of {other}; rename one plugin"
    for name in problems:
        found.pop(name, None)
    return found, problems
