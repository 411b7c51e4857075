"""The class every plugin derives from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from marshmallow import Schema

from keyun.plugins.manifest import Manifest

if TYPE_CHECKING:
    from keyun.site import Site


class Plugin:
    """A capability that can be enabled, replaced or extended.

    The loader makes one instance for each application, so state that belongs to an application
    lives on ``self``, never in a module.
    """

    #: Schema of the plugin's settings; ``load_default`` supplies each default.
    settings_schema: ClassVar[type[Schema]] = Schema
    #: Module with the hook specifications that this plugin offers to others (``keyun_<plugin>_*``).
    offers: ClassVar[ModuleType | None] = None
    #: The events it records (``unit.record``), each with one sentence 「中文 / English」.
    events: ClassVar[Mapping[str, str]] = {}

    def __init__(self, manifest: Manifest, settings: Mapping[str, Any], roots: tuple[Path, ...]) -> None:
        self.manifest = manifest
        self.settings = settings
        #: Package folders, own first, then those of the plugins it extends.
        self.roots = roots
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        """The site that loaded it; there from the moment everything is loaded."""
        if self._site is None:
            raise RuntimeError("there is no site while plugins load; ask for it where the work is done")
        return self._site

    @site.setter
    def site(self, site: Site) -> None:
        self._site = site

    @property
    def name(self) -> str:
        """Its own name, as in the manifest."""
        return self.manifest.name

    @property
    def slot(self) -> str:
        """The place it fills; its own name unless it replaces or extends another plugin."""
        return self.manifest.slot

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"
