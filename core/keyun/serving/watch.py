"""What the server should run: the state file, the installed plugins, and requests to look again."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from keyun.errors import ConfigError
from keyun.plugins import state
from keyun.plugins.manifest import GROUP, root_of
from keyun.serving import record

T = TypeVar("T")
log = logging.getLogger(__name__)
#: A file that an editor is writing, and an installation that pip is making, are left alone for a moment.
STATE_SETTLES = 0.1
INSTALLATION_SETTLES = 0.7
INSTALLATION_EVERY = 0.2
#: The folders (or files) in which an installer notes what it has installed.
METADATA = (".dist-info", ".egg-info", ".egg-link")


@dataclass(frozen=True, slots=True)
class Wish:
    """The set of plugins to run, of which code; ``damage`` says why the state file cannot be read."""

    enabled: tuple[str, ...] = ()
    generation: int = 0
    installed: str = ""
    nudge: int = 0
    damage: str = ""


class Settled(Generic[T]):
    """The last value that has stood still for ``seconds``."""

    def __init__(self, value: T, seconds: float) -> None:
        self.value = self._last = value
        self._seconds, self._since = seconds, 0.0

    def see(self, value: T, now: float) -> T:
        """Take note of the value at the monotonic moment ``now``; returns the settled one."""
        if value != self._last:
            self._last, self._since = value, now
        if now - self._since >= self._seconds:
            self.value = self._last
        return self.value


class Watcher:
    """Looks at the files of one instance and of this environment; never imports a plugin."""

    def __init__(self, instance: Path, *, safe: bool = False) -> None:
        self.instance, self.safe = instance, safe
        self._manifests: list[Path] = []
        self._places: list[tuple[str, int]] = []
        self._installed = ""
        self._looked = 0.0
        now = time.monotonic()
        self._state = Settled(self._read_state(), STATE_SETTLES)
        self._code = Settled(self._read_code(now), INSTALLATION_SETTLES)

    def look(self) -> Wish:
        """What is wanted at this moment."""
        now = time.monotonic()
        found = self._state.see(self._read_state(), now)
        installed = self._code.see(self._read_code(now), now)
        return Wish(found.enabled, found.generation, installed, record.nudged(self.instance), found.damage)

    def _read_state(self) -> Wish:
        try:
            found = state.load(self.instance / "plugins.toml")
        except (ConfigError, OSError) as e:
            return Wish(damage=str(e))
        return Wish(() if self.safe else found.enabled, found.generation)

    def _read_code(self, now: float) -> str:
        """The fingerprint of the installed plugins; read anew only when an installer has been at work."""
        if self._places and now - self._looked < INSTALLATION_EVERY:
            return self._installed
        self._looked = now
        if self._moments() != self._places:
            # Noted before it is read: what changes meanwhile is read again.
            places = self._moments()
            try:
                self._manifests = manifests()
                self._places = self._moments()
                self._installed = fingerprint(self._manifests)
            except OSError as e:
                # pip is at work and has taken a file away: look again.
                log.info("the installed plugins cannot be read at the moment (%s)", e)
                self._places = []
            # Anything may be installed beside us, with metadata of any kind; what serves goes on.
            except Exception:
                log.exception("the installed plugins cannot be read; what runs goes on until that changes")
                self._places = places
        return self._installed

    def _moments(self) -> list[tuple[str, int]]:
        """When each distribution, and each manifest, was last changed; pip writes its note at the end."""
        found = [moment for place in dict.fromkeys(sys.path) for moment in _distributions(place or ".")]
        for path in self._manifests:
            with contextlib.suppress(OSError):
                found.append((str(path), path.stat().st_mtime_ns))
        return found


def _distributions(place: str) -> Iterator[tuple[str, int]]:
    """What is installed in one folder of packages, with the moment of its last change."""
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if entry.name.endswith(METADATA):
                yield entry.path, entry.stat().st_mtime_ns


def manifests() -> list[Path]:
    """Where the ``plugin.toml`` of every offered plugin is; nothing is imported to find it."""
    importlib.invalidate_caches()
    found = set()
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        try:
            found.add(root_of(entry_point) / "plugin.toml")
        except ValueError:
            # Named but not there for this process: its entry point and metadata count in the fingerprint,
            # and so does the manifest of what was installed with `pip install -e` after the start.
            found.update(_in_development(entry_point))
    return sorted(found)


def _in_development(entry_point: importlib.metadata.EntryPoint) -> Iterator[Path]:
    """The manifest beside the sources that an editable installation points to (PEP 610)."""
    url = json.loads((entry_point.dist and entry_point.dist.read_text("direct_url.json")) or "{}")
    if not url.get("dir_info", {}).get("editable"):
        return
    folder = Path(url2pathname(urlsplit(url["url"]).path))
    package = entry_point.module.partition(".")[0]
    for path in (folder / package / "plugin.toml", folder / "src" / package / "plugin.toml"):
        if path.is_file():
            yield path


def fingerprint(files: Iterable[Path]) -> str:
    """A text that changes when a distribution that offers a plugin, or what one stands on, does."""
    found = [d for d in importlib.metadata.distributions() if d.metadata["Name"]]
    everything = {canonicalize_name(d.name): d for d in reversed(found)}
    offering = {n for n, d in everything.items() if any(e.group == GROUP for e in d.entry_points)}
    below = {r for n in offering for r in _requirements(everything[n])} & everything.keys()
    digest = hashlib.sha256()
    for name in sorted(offering):
        d = everything[name]
        texts = [d.read_text(f) or "" for f in ("METADATA", "PKG-INFO", "entry_points.txt", "RECORD")]
        digest.update("\0".join([name, *texts]).encode())
    digest.update("".join(f"\0{n} {everything[n].version}" for n in sorted(below - offering)).encode())
    for path in files:
        digest.update(f"\0{path}".encode() + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()


def _requirements(distribution: Distribution) -> Iterator[NormalizedName]:
    for text in distribution.requires or ():
        try:
            yield canonicalize_name(Requirement(text).name)
        except InvalidRequirement:
            continue
