"""Types of the fixtures, for annotations in tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from flask import Flask

from keyun.site import Site


class MakeInstance(Protocol):
    """Writes an instance folder with exactly the plugins that are named."""

    def __call__(self, *plugins: str, config: Mapping[str, Any] | None = None) -> Path: ...


class MakeSite(Protocol):
    """Opens a site with exactly the plugins that are named, or the one of a folder."""

    def __call__(
        self, *plugins: str, config: Mapping[str, Any] | None = None, instance: Path | None = None
    ) -> Site: ...


class MakeApp(Protocol):
    """Builds the web application of a new site, or of ``site``."""

    def __call__(
        self, *plugins: str, config: Mapping[str, Any] | None = None, site: Site | None = None
    ) -> Flask: ...
