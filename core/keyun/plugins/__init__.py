"""What a plugin imports first; the public surface is the ``__all__`` of this module."""

from __future__ import annotations

from keyun.access import Permission, public, requires
from keyun.hookspecs import API_VERSION, Check, DemoFile, Fragment, MenuItem, hookimpl, hookspec
from keyun.plugins.base import Plugin
from keyun.plugins.manifest import Manifest

__all__ = [
    "API_VERSION",
    "Check",
    "DemoFile",
    "Fragment",
    "Manifest",
    "MenuItem",
    "Permission",
    "Plugin",
    "hookimpl",
    "hookspec",
    "public",
    "requires",
]
